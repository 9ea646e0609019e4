// node bench/fetch.mjs: the openai SDK with user.fetch against the same SDK with the global fetch, on streams. Each
// measurement is a process of its own and the two take turns; the server is one too. It measures and reports; it
// asserts nothing. See README.md. Needs a release build (npm run bench builds one).

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

const JOBS = {
  events: "1000 deltas of a chat, in one write",
  each: "1000 deltas of a chat, a write each",
  bytes: "a file of 64 MiB, downloaded",
  upload: "a file of 16 MiB, uploaded",
};
const DELTAS = 1000;
const DOWNLOAD = 64 << 20;
const UPLOAD = 16 << 20;
const AT_ONCE = 4;

const [role] = process.argv.slice(2);
if (role === "server") await serve();
else if (role === "client") console.log(JSON.stringify(await measure(JSON.parse(process.argv[3]))));
else await report();

async function serve() {
  const event = (content) =>
    `data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"${content}"}}]}\n\n`;
  const one = Buffer.from(event("four words of text "));
  const all = Buffer.concat([...Array(DELTAS).fill(one), Buffer.from("data: [DONE]\n\n")]);
  const block = Buffer.alloc(64 << 10, "x");
  const server = createServer(async (request, response) => {
    let received = 0;
    for await (const chunk of request) received += chunk.length;
    if (request.url.endsWith("/files"))
      return void response.end(`{"id":"file-1","bytes":${received}}`);
    if (request.url.endsWith("/content")) {
      for (let sent = 0; sent < DOWNLOAD; sent += block.length)
        if (!response.write(block)) await once(response, "drain");
      return void response.end();
    }
    response.setHeader("content-type", "text/event-stream");
    if (!request.url.includes("each")) return void response.end(all);
    for (let sent = 0; sent < DELTAS; sent++) {
      response.write(one);
      if (sent % 50 === 49) await new Promise(setImmediate);
    }
    response.end("data: [DONE]\n\n");
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

async function measure({ contestant, job, port, seconds }) {
  const { default: OpenAI } = await import("openai");
  const baseURL = `http://127.0.0.1:${port}/${job}/v1`;
  const client = new OpenAI({
    apiKey: "sk-bench",
    baseURL,
    fetch: await fetchOf(contestant, baseURL),
  });
  const messages = [{ role: "user", content: "hi" }];
  const file = new File([new Uint8Array(UPLOAD)], "a.bin");
  const perform = {
    async events() {
      let deltas = 0;
      const stream = await client.chat.completions.create({ model: "m", messages, stream: true });
      for await (const _ of stream) deltas++;
      return deltas;
    },
    each: () => perform.events(),
    async bytes() {
      const response = await client.files.content("file-1");
      let bytes = 0;
      for await (const chunk of response.body) bytes += chunk.length;
      return bytes / 2 ** 20;
    },
    async upload() {
      await client.files.create({ file, purpose: "assistants" });
      return UPLOAD / 2 ** 20;
    },
  };
  const load = async (durationSeconds) => {
    const end = performance.now() + durationSeconds * 1000;
    let units = 0;
    const worker = async () => {
      while (performance.now() < end) units += await perform[job]();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return units;
  };
  await load(seconds);
  const before = reading();
  const units = await load(seconds);
  const after = reading();
  return {
    perSecond: units / ((after.wallMs - before.wallMs) / 1000),
    mainMicros: (after.mainMicros - before.mainMicros) / units,
    cpuMicros: (after.cpuMicros - before.cpuMicros) / units,
  };
}

async function fetchOf(contestant, baseURL) {
  if (contestant === "fetch") return globalThis.fetch;
  const { BYOK, MemoryStore } = await import("../dist/index.js");
  const openai = { baseURL, allowPrivateNetwork: true };
  const masterKey = "0123456789abcdef".repeat(4);
  const byok = new BYOK({ masterKey, store: new MemoryStore(), providers: { openai } });
  const apiKey = "sk-proj-bench-0123456789";
  await byok.registerKey({ userId: "u", provider: "openai", apiKey, validate: false });
  return byok.use("u").fetch("openai");
}

/** As in measure.mjs: the main thread's CPU time, and the whole process's. */
function reading() {
  const { user, system } = process.cpuUsage();
  const stat = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1");
  return {
    wallMs: performance.now(),
    cpuMicros: user + system,
    mainMicros: Number(stat.split(" ")[0]) / 1000,
  };
}

async function report() {
  const { values: options } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "3" },
    },
  });
  const script = fileURLToPath(import.meta.url);
  const server = spawn(process.execPath, [script, "server"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = await once(createInterface({ input: server.stdout }), "line");
  console.log("| | per second | main thread | CPU of the process |\n|---|---:|---:|---:|");
  for (const [job, title] of Object.entries(JOBS)) {
    const ratios = { perSecond: [], mainMicros: [], cpuMicros: [] };
    for (let round = 0; round < Number(options.rounds); round++) {
      const measured = {};
      for (const contestant of round % 2 ? ["byok-ai", "fetch"] : ["fetch", "byok-ai"]) {
        const task = JSON.stringify({ contestant, job, port, seconds: Number(options.seconds) });
        const args = [script, "client", task];
        const { stdout } = await promisify(execFile)(process.execPath, args);
        measured[contestant] = JSON.parse(stdout);
      }
      for (const field of Object.keys(ratios))
        ratios[field].push(measured["byok-ai"][field] / measured.fetch[field]);
    }
    const cell = (field) => median(ratios[field]).toFixed(2);
    console.log(
      `| ${title} | ${cell("perSecond")} | ${cell("mainMicros")} | ${cell("cpuMicros")} |`,
    );
  }
  server.kill();
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
