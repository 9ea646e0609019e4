// Streams audio through speechToText and prints by how much memory grew meanwhile, in bytes:
// node --expose-gc upload.mjs <origin> <provider> <bytes>. A smaller upload before it lets everything that
// is made once be there.

import { randomBytes } from "node:crypto";
import byok from "../../dist/index.js";

const [, , origin, provider, bytes] = process.argv;
const PIECE = randomBytes(256 * 1024);

async function* audio(length) {
  for (let sent = 0; sent < length; sent += PIECE.length)
    yield PIECE.subarray(0, Math.min(PIECE.length, length - sent));
}

const library = new byok.BYOK({
  masterKey: randomBytes(32),
  store: new byok.MemoryStore(),
  providers: { [provider]: { baseURL: origin, allowPrivateNetwork: true, timeoutMs: 300_000 } },
});
await library.registerKey({ userId: "u", provider, apiKey: "k".repeat(40), validate: false });
const transcribe = (length) =>
  library.use("u").speechToText({ provider, audio: audio(length), filename: "a.wav" });

await transcribe(16 * 1024 * 1024);
globalThis.gc();
const before = process.memoryUsage().rss;
let peak = before;
const sampling = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss);
}, 5);
const { text } = await transcribe(Number(bytes));
clearInterval(sampling);
peak = Math.max(peak, process.memoryUsage().rss);
await library.close();
console.log(JSON.stringify({ growth: peak - before, text }));
