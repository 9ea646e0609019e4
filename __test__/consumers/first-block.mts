// The first block of the README, as an application in strict TypeScript writes it.

import { BYOK, MemoryStore } from "byok-ai";

const byok = new BYOK({
  masterKey: process.env["BYOK_MASTER_KEY"],
  store: new MemoryStore(),
});
await byok.registerKey({
  userId: "user_123",
  provider: "openai",
  apiKey: "USER_PROVIDED_API_KEY",
});
const response = await byok.use("user_123").chat({ prompt: "What is the capital of France?" });
console.log(response.text);
