// Calls and streams against a provider that misbehaves in each way that the practice provider knows:
// what comes out is the code that docs/reference/errors.md gives, in bounded memory and time, and the
// next call works.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { BYOKError, MemoryStore } from "../dist/index.js";
import { keyOf, libraryAt, PROVIDERS, providersAt } from "./support/library.js";
import { type Practice, startPractice } from "./support/practice.js";

const prompt = "one two three four five six seven eight nine ten eleven twelve";
const MIB = 1 << 20;
let practice: Practice;
const store = new MemoryStore();
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
  const byok = libraryAt(practice, { store });
  for (const provider of PROVIDERS) {
    await byok.registerKey({ userId: "u", provider, apiKey: keyOf(practice, provider) });
  }
});
after(() => {
  for (const stop of cleanups) stop();
});

const behind = (fault: string, more: object = {}, http: object = {}) =>
  libraryAt(practice, { store, http, providers: providersAt(practice, fault, more) }).use("u");

async function outcomeOf(run: () => Promise<unknown>): Promise<string> {
  return await run().then(
    () => "ok",
    (error) => {
      assert.ok(error instanceof BYOKError, String(error));
      return error.code;
    },
  );
}

/** What a whole call and a stream end in. An answer that ends in half of a JSON text, as if that were
 * all, has broken off or can't be read, depending on where the text ends. */
const OUTCOMES: [fault: string, chat: string, stream: string][] = [
  ["reset", "PROVIDER_UNAVAILABLE", "PROVIDER_UNAVAILABLE"],
  ["close", "PROVIDER_UNAVAILABLE", "PROVIDER_UNAVAILABLE"],
  ["reset-mid", "STREAM_INTERRUPTED", "STREAM_INTERRUPTED"],
  ["close-mid", "STREAM_INTERRUPTED", "STREAM_INTERRUPTED"],
  ["cut,40", "STREAM_INTERRUPTED", "STREAM_INTERRUPTED"],
  ["cut,40,end", "BAD_RESPONSE", "BAD_RESPONSE|STREAM_INTERRUPTED"],
  ["cut,0,end", "BAD_RESPONSE", "STREAM_INTERRUPTED"],
  ["stall", "TIMEOUT", "TIMEOUT"],
  ["stall-mid", "TIMEOUT", "TIMEOUT"],
  ["slow,200,5", "ok", "ok"],
  ["chunk,1", "ok", "ok"],
  ["delay,150", "ok", "ok"],
  ["content-type,text%2Fhtml", "ok", "ok"],
  ["gzip", "ok", "ok"],
  ["truncated-json", "BAD_RESPONSE", "BAD_RESPONSE|STREAM_INTERRUPTED"],
  ["invalid-utf8", "BAD_RESPONSE", "BAD_RESPONSE"],
  ["huge,100", "BAD_RESPONSE", "BAD_RESPONSE"],
  ["gzip-bomb,200", "BAD_RESPONSE", "BAD_RESPONSE"],
  ["endless-line,8", "TIMEOUT", "BAD_RESPONSE"],
  ["error-mid", "PROVIDER_UNAVAILABLE", "PROVIDER_UNAVAILABLE"],
  ["no-end-mark", "ok", "STREAM_INTERRUPTED"],
  ["status,400", "PROVIDER_ERROR", "PROVIDER_ERROR"],
  ["status,401", "KEY_INVALID", "KEY_INVALID"],
  ["status,403", "PERMISSION_DENIED", "PERMISSION_DENIED"],
  ["status,429", "PROVIDER_RATE_LIMITED", "PROVIDER_RATE_LIMITED"],
  ["status,500", "PROVIDER_UNAVAILABLE", "PROVIDER_UNAVAILABLE"],
  ["status,529", "PROVIDER_UNAVAILABLE", "PROVIDER_UNAVAILABLE"],
  ["redirect,302,http:%2F%2F127.0.0.1:9%2Fx", "PROVIDER_ERROR", "PROVIDER_ERROR"],
];

for (const [fault, chat, stream] of OUTCOMES) {
  test(`${fault}: chat ends in ${chat}, a stream in ${stream}, and the next call works`, async () => {
    const limits = { maxRetries: 0, timeoutMs: 5000, idleTimeoutMs: 500 };
    if (fault === "stall" || fault === "endless-line,8") limits.timeoutMs = 800;
    const before = process.memoryUsage().rss;
    for (const provider of PROVIDERS) {
      const user = behind(`/fault/${fault}`, limits);
      const seen = [
        await outcomeOf(() => user.chat({ provider, prompt })),
        await outcomeOf(() => user.chatStream({ provider, prompt }).result),
      ];
      assert.equal(seen[0], chat, provider);
      assert.ok(stream.split("|").includes(seen[1] ?? ""), `${provider}: ${seen[1]}`);
      const healthy = await behind("").chat({ provider, prompt: "capital of France" });
      assert.match(healthy.text, /Paris/);
    }
    const growth = process.memoryUsage().rss - before;
    assert.ok(growth < 160 * MIB, `memory grew by ${Math.round(growth / MIB)} MiB`);
  });
}
