// The main job in the terminal: a user's key goes in once, sealed, and chat works with it. Run it with
// `npm start`. With OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY it asks the real provider;
// otherwise the practice provider of this repository, which is not a model.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { BYOK, SqliteStore } from "byok-ai";

import { startPractice } from "../scripts/practice.mjs";

const heading = (text) => console.log(`\n\x1b[1m${text}\x1b[0m`);
const userId = "user_123";

const folder = mkdtempSync(join(tmpdir(), "byok-ai-"));
const file = join(folder, "keys.sqlite");
// A real app keeps this in its secret store: npx byok-ai keygen makes one.
const masterKey = process.env.BYOK_MASTER_KEY ?? randomBytes(32).toString("base64");

const { provider, apiKey, providers, stop } = await chooseProvider();
let byok = new BYOK({ masterKey, store: new SqliteStore(file), providers });

heading("1. A user's key goes in: tried at the provider, sealed, stored");
const info = await byok.registerKey({ userId, provider, apiKey });
console.log(info);

heading("2. What the database holds");
const [record] = await new SqliteStore(file).list({ namespace: "default", userId });
console.log(record);

heading("3. A chat with the user's key");
const prompt = "What is the capital of France?";
const answer = await byok.use(userId).chat({ prompt });
console.log(`> ${prompt}\n${answer.text}`);
console.log(answer.usage);

heading("4. A stream");
const stream = byok.use(userId).chatStream({ prompt: "Count from one to five, in words." });
for await (const text of stream.textStream) process.stdout.write(text);
console.log(`\nfinishReason: ${(await stream.result).finishReason}`);

heading("5. The store is closed and opened again, as after a restart");
await byok.close();
byok = new BYOK({ masterKey, store: new SqliteStore(file), providers });
console.log(await byok.listKeys({ userId }));
console.log((await byok.use(userId).chat({ prompt: "Are you still there?" })).text);

heading("6. A wrong key is refused, and the good one stays");
try {
  await byok.registerKey({ userId, provider, apiKey: "sk-this-is-not-a-key" });
} catch (error) {
  console.log(`${error.name} ${error.code}: ${error.message}`);
}
console.log("still there:", await byok.hasKey({ userId, provider }));

heading("7. The key is deleted");
console.log("deleted:", await byok.deleteKey({ userId, provider }));
try {
  await byok.use(userId).chat({ prompt });
} catch (error) {
  console.log(`${error.name} ${error.code}: ${error.message}`);
}

await byok.close();
await stop();
rmSync(folder, { recursive: true, force: true });

async function chooseProvider() {
  const { OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY } = process.env;
  const real = [
    ["openai", OPENAI_API_KEY],
    ["anthropic", ANTHROPIC_API_KEY],
    ["gemini", GEMINI_API_KEY],
  ].find(([, key]) => key);
  if (real) {
    console.log(`Using ${real[0]} with the key of this environment.`);
    return { provider: real[0], apiKey: real[1], providers: {}, stop: async () => {} };
  }
  const practice = await startPractice();
  console.log(
    "No provider key is set, so this uses the practice provider of the repository (not a model).",
  );
  console.log("Set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY to use a real one.");
  return {
    provider: "openai",
    apiKey: practice.openaiKey,
    providers: { openai: { baseURL: `${practice.origin}/openai/v1`, allowPrivateNetwork: true } },
    stop: () => practice.stop(),
  };
}
