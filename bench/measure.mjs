// One measurement in a process of its own, so that no contestant leaves heap, compiled code or
// connections to the next: node measure.mjs '{"contestant","job","origin","seconds"}'. Prints JSON.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";

import { open, seal } from "./vault.mjs";

const CONCURRENCY = 64;
const USERS = 100;
const DELTAS = 100;
const RATE_PER_SECOND = 500;
const TICK_MS = 10;
const WARM_UP_SECONDS = 4;

const { contestant, job, origin, seconds } = JSON.parse(process.argv[2]);
const baseURL = `${origin}/${job === "each" ? `bench-${DELTAS}-each` : "bench"}/openai/v1`;
const client = await makeClient();
const perform = job === "chat" || job === "memory" ? chat : stream;

let turn = 0;
for (const _ of [1, 2, 3]) await perform();
const result = job === "memory" ? await memory() : await speed();
console.log(JSON.stringify(result));
process.exit(0);

async function makeClient() {
  const masterKey = randomBytes(32);
  const users = Array.from({ length: USERS }, (_, index) => `user_${index}`);
  const apiKeyOf = (userId) => `sk-proj-bench-${userId.padStart(40, "x")}`;
  const records = new Map(
    users.map((userId) => [userId, seal(masterKey, userId, apiKeyOf(userId))]),
  );
  const { make } = await import(`./contestants/${contestant}.mjs`);
  return make({
    baseURL,
    model: "gpt-5-mini",
    prompt: "What is the capital of France?",
    concurrency: CONCURRENCY,
    masterKey,
    users,
    apiKeyOf,
    openKey: (userId) => open(masterKey, userId, records.get(userId)),
  });
}

function nextUser() {
  turn = (turn + 1) % USERS;
  return `user_${turn}`;
}

async function chat() {
  const text = await client.chat(nextUser());
  if (!text.startsWith("This is the practice provider"))
    throw new Error(`Unexpected text: ${text}`);
}

async function stream() {
  let deltas = 0;
  await client.stream(nextUser(), () => deltas++);
  if (deltas !== DELTAS) throw new Error(`Expected ${DELTAS} deltas, got ${deltas}.`);
}

/** So many calls at once, the next as soon as one ends. */
async function load(durationSeconds) {
  const end = performance.now() + durationSeconds * 1000;
  let calls = 0;
  const worker = async () => {
    while (performance.now() < end) {
      await perform();
      calls++;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return calls;
}

async function speed() {
  await load(WARM_UP_SECONDS);
  const before = reading();
  const calls = await load(seconds);
  const after = reading();
  const elapsedSeconds = (after.wallMs - before.wallMs) / 1000;
  return {
    calls,
    callsPerSecond: calls / elapsedSeconds,
    cpuMicros: (after.cpuMicros - before.cpuMicros) / calls,
    mainMicros: (after.mainMicros - before.mainMicros) / calls,
    deltas: DELTAS,
  };
}

function reading() {
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), cpuMicros: user + system, mainMicros: mainThreadMicros() };
}

/** CPU time of the main thread; where the system does not tell, the event loop's active time. */
function mainThreadMicros() {
  if (process.threadCpuUsage) {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  }
  if (process.platform !== "linux") return performance.eventLoopUtilization().active * 1000;
  const stat = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1");
  return Number(stat.split(" ")[0]) / 1000;
}

/** Resident memory at a fixed rate of calls: the last second's median less the first's, after as long a
 * warm-up. A client that can't keep the rate falls behind: `callsPerSecond` says so. */
async function memory() {
  await steady(seconds);
  const { samples, callsPerSecond } = await steady(seconds);
  const end = samples.at(-1).atMs;
  const mebibytes = (from, to) =>
    median(samples.filter(({ atMs }) => atMs >= from && atMs <= to).map(({ rss }) => rss)) /
    2 ** 20;
  const rssMiB = mebibytes(end - 1000, end);
  return { growthMiB: rssMiB - mebibytes(0, 1000), rssMiB, callsPerSecond };
}

function steady(durationSeconds) {
  const samples = [];
  const pending = new Set();
  const start = performance.now();
  let begun = 0;
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      const atMs = performance.now() - start;
      const elapsedSeconds = atMs / 1000;
      samples.push({ atMs, rss: process.memoryUsage.rss() });
      if (elapsedSeconds >= durationSeconds) {
        clearInterval(timer);
        const finish = () => {
          const callsPerSecond = begun / ((performance.now() - start) / 1000);
          resolve({ samples, callsPerSecond });
        };
        Promise.all(pending).then(finish, reject);
        return;
      }
      for (; begun < elapsedSeconds * RATE_PER_SECOND; begun++) {
        const call = perform();
        pending.add(call);
        call.then(() => pending.delete(call), reject);
      }
    }, TICK_MS);
  });
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
