// This library as an application uses it: one BYOK, sealed records in a MemoryStore.

import { BYOK, MemoryStore } from "../../dist/index.js";

export async function make({ baseURL, model, prompt, masterKey, users, apiKeyOf }) {
  const byok = new BYOK({
    masterKey: masterKey.toString("base64"),
    store: new MemoryStore(),
    providers: { openai: { baseURL, allowPrivateNetwork: true } },
  });
  for (const userId of users) {
    await byok.registerKey({
      userId,
      provider: "openai",
      apiKey: apiKeyOf(userId),
      validate: "format",
    });
  }
  return {
    async chat(userId) {
      const { text } = await byok.use(userId).chat({ model, prompt });
      return text;
    },
    async stream(userId, onText) {
      const { textStream } = byok.use(userId).chatStream({ model, prompt });
      for await (const text of textStream) onText(text);
    },
  };
}
