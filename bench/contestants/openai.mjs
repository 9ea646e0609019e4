// The official SDK, with a client for each call: its client holds one key, and every user has another.

import OpenAI from "openai";

export function make({ baseURL, model, prompt, openKey }) {
  const client = (userId) => new OpenAI({ apiKey: openKey(userId), baseURL });
  return {
    async chat(userId) {
      const response = await client(userId).responses.create({ model, input: prompt });
      return response.output_text;
    },
    async stream(userId, onText) {
      const events = await client(userId).responses.create({ model, input: prompt, stream: true });
      for await (const event of events) {
        if (event.type === "response.output_text.delta") onText(event.delta);
      }
    },
  };
}
