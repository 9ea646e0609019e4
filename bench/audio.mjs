// node bench/audio.mjs: how long the first piece of streamed speech takes from the provider's write to
// JavaScript. A server in another process writes the time into the audio itself; both read one clock
// (`process.hrtime` is the system's monotonic clock). It measures and reports; it asserts nothing.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const STREAMS = 500;
const WARM_UP = 100;

if (process.argv[2] === "serve") serve();
else await measure();

function serve() {
  const rest = Buffer.alloc(16_000);
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "content-type": "audio/mpeg" });
      response.flushHeaders();
      setTimeout(() => {
        const first = Buffer.alloc(4000);
        first.writeBigUInt64LE(process.hrtime.bigint());
        response.write(first);
        setTimeout(() => response.end(rest), 5);
      }, 5);
    });
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
  process.stdin.on("end", () => process.exit()).resume();
}

async function measure() {
  const byok = (await import("../dist/index.js")).default;
  const server = spawn(process.execPath, [fileURLToPath(import.meta.url), "serve"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const baseURL = `http://127.0.0.1:${(await lines.next()).value}`;
  const library = new byok.BYOK({
    masterKey: randomBytes(32),
    store: new byok.MemoryStore(),
    providers: { elevenlabs: { baseURL, allowPrivateNetwork: true } },
  });
  const key = { userId: "u", provider: "elevenlabs", apiKey: "k".repeat(40), validate: false };
  await library.registerKey(key);
  const user = library.use("u");
  const took = [];
  for (let n = 0; n < STREAMS + WARM_UP; n++) {
    let first = true;
    for await (const piece of user.textToSpeechStream({ text: "Hello" })) {
      if (first && n >= WARM_UP)
        took.push(Number(process.hrtime.bigint() - piece.readBigUInt64LE()) / 1e6);
      first = false;
    }
  }
  await library.close();
  server.stdin.end();
  took.sort((a, b) => a - b);
  const at = (part) => took[Math.floor((took.length - 1) * part)].toFixed(3);
  console.log(`First audio, from the provider's write to JavaScript, ${STREAMS} streams:`);
  console.log(`median ${at(0.5)} ms, 99 of 100 within ${at(0.99)} ms, slowest ${at(1)} ms`);
}
