// The AI SDK with its OpenAI provider, made for each call with the user's key.

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";

export function make({ baseURL, model, prompt, openKey }) {
  const provider = (userId) => createOpenAI({ apiKey: openKey(userId), baseURL });
  return {
    async chat(userId) {
      const { text } = await generateText({ model: provider(userId)(model), prompt });
      return text;
    },
    async stream(userId, onText) {
      const { textStream } = streamText({ model: provider(userId)(model), prompt });
      for await (const text of textStream) onText(text);
    },
  };
}
