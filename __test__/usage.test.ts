// What calls used, over the real addon, its SQLite store, PostgreSQL and the practice provider.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  type BYOK,
  type BYOKOptions,
  loadPrices,
  SqliteStore,
  type UsageEvent,
  type UsageOptions,
  type UsageSink,
} from "../dist/index.js";
import { failsWith, libraryAt, MASTER, providersAt } from "./support/library.js";
import { type Practice, startPractice, until } from "./support/practice.js";

const prompt = "What is the capital of France?";
const BAD = "practice-nobody-0123456789abcdef";
const prices = {
  "openai/*": { inputPerMillion: "0.25", outputPerMillion: "2" },
  "gemini/gemini*": { inputPerMillion: 0.1, outputPerMillion: 0.4 },
};
let practice: Practice;
const folder = mkdtempSync(join(tmpdir(), "byok-usage-"));
const cleanups: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
});
after(() => {
  for (const stop of cleanups.reverse()) stop();
});

async function counted(
  usage: UsageOptions | false,
  options: Partial<BYOKOptions> = {},
): Promise<BYOK> {
  const byok = libraryAt(practice, { usage, ...options });
  for (const provider of ["anthropic", "gemini", "openai"] as const) {
    const apiKey = practice[`${provider}Key`];
    await byok.registerKey({ userId: "u", provider, apiKey, validate: false });
  }
  return byok;
}

async function events(byok: BYOK): Promise<UsageEvent[]> {
  const found: UsageEvent[] = [];
  for await (const event of byok.usageEvents({ from: 0 })) found.push(event);
  return found;
}

const all = { from: 0 } as const;

test("every call is counted with who, what, how long and for how much", async () => {
  const byok = await counted({ prices });
  const user = byok.use("u");
  const whole = await user.chat({ prompt, provider: "openai" });
  const streamed = await user.chatStream({ prompt, provider: "gemini" }).result;
  await user.chat({ prompt, provider: "anthropic" });
  const [first, second, third] = await events(byok);
  assert.ok(first && second && third);
  assert.match(first.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.ok(Math.abs(Date.parse(first.startedAt) - Date.now()) < 60_000);
  assert.deepEqual(
    [first.namespace, first.userId, first.provider, first.label, first.capability, first.status],
    ["default", "u", "openai", "default", "chat", "ok"],
  );
  assert.equal(first.model, whole.model);
  assert.equal(first.requestId, whole.requestId);
  assert.equal(first.inputTokens, whole.usage.inputTokens);
  assert.equal(first.firstOutputMs, undefined);
  const { inputTokens, outputTokens } = whole.usage;
  assert.equal(first.costNanos, inputTokens * 250 + outputTokens * 2_000);
  assert.equal(second.outputTokens, streamed.usage.outputTokens);
  assert.ok(second.firstOutputMs !== undefined && second.firstOutputMs <= second.durationMs);
  assert.ok(second.costNanos !== undefined);
  // No price is known for it, which is not the same as free.
  assert.equal(third.costNanos, undefined);
  const { rows } = await byok.usage({ ...all, groupBy: ["provider"] });
  assert.deepEqual(
    rows.map(({ provider, calls, unpriced, costNanos }) => [provider, calls, unpriced, costNanos]),
    [
      ["anthropic", 1, 1, 0],
      ["gemini", 1, 0, second.costNanos],
      ["openai", 1, 0, first.costNanos],
    ],
  );
  const total = (await byok.usage({ ...all, userId: "u" })).rows[0];
  assert.equal(total?.costNanos, first.costNanos + second.costNanos);
  assert.equal(total?.cost, (total.costNanos / 1e9).toFixed(9).replace(/0+$/, ""));
  assert.equal((await byok.usage({ ...all, userId: "nobody" })).rows[0]?.calls, 0);
  const [day] = (await byok.usage({ ...all, interval: "day" })).rows;
  assert.equal(day?.start, `${new Date().toISOString().slice(0, 10)}T00:00:00.000Z`);
  await byok.close();
});

test("refused, failed, retried and abandoned calls are counted as what they were", async () => {
  const providers = {
    ...providersAt(practice),
    openai: {
      baseURL: `${practice.origin}/fault/stall-mid/openai/v1`,
      allowPrivateNetwork: true,
    },
  };
  const byok = await counted({}, { providers });
  const user = byok.use("u");
  const stream = user.chatStream({ prompt, provider: "openai" });
  for await (const event of stream) if (event.type === "text-delta") break;
  await byok.registerKey({ userId: "u", provider: "gemini", apiKey: BAD, validate: false });
  await assert.rejects(user.chat({ prompt, provider: "gemini" }), failsWith("KEY_INVALID"));
  const found = await until(async () => {
    const found = await events(byok);
    return found.length >= 2 ? found : undefined;
  });
  const [abandoned, failed] = found;
  assert.equal(abandoned?.status, "abandoned");
  assert.ok(abandoned?.firstOutputMs !== undefined);
  assert.equal(failed?.status, "KEY_INVALID");
  assert.equal(failed?.inputTokens, undefined);
  const [row] = (await byok.usage(all)).rows;
  assert.deepEqual([row?.calls, row?.failed, row?.abandoned, row?.unpriced], [2, 1, 1, 1]);
  await byok.close();
});

test("a call that runs when close() is called is counted too", async () => {
  const store = new SqliteStore(join(folder, "closing.db"));
  const byok = await counted(
    { sink: store },
    { store, providers: providersAt(practice, "/fault/stall") },
  );
  const pending = byok.use("u").chat({ prompt });
  const streaming = byok.use("u").chatStream({ prompt }).result;
  const settled = Promise.allSettled([pending, streaming]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await byok.close();
  for (const outcome of await settled) {
    assert.ok(outcome.status === "rejected" && failsWith("CLOSED")(outcome.reason));
  }
  const again = libraryAt(practice, {
    usage: { sink: new SqliteStore(join(folder, "closing.db")) },
  });
  assert.equal((await again.usage(all)).rows[0]?.abandoned, 2);
  await again.close();
});

test("the SQLite store's database keeps usage beside the keys, and exports it as NDJSON", async () => {
  const path = join(folder, "keys.db");
  const store = new SqliteStore(path);
  const byok = await counted({ sink: store, prices }, { store });
  await Promise.all(Array.from({ length: 5 }, () => byok.use("u").chat({ prompt })));
  await byok.close();
  const again = libraryAt(practice, { usage: { sink: new SqliteStore(path) } });
  const lines = (await text(again.exportUsage(all))).trim().split("\n");
  assert.equal(lines.length, 5);
  const sum = lines.reduce((sum, line) => sum + (JSON.parse(line).costNanos as number), 0);
  assert.equal((await again.usage(all)).rows[0]?.costNanos, sum);
  await again.close();
});

test("memory keeps the latest events and says since when it is complete", async () => {
  const byok = await counted({ maxEvents: 3 });
  for (let index = 0; index < 5; index++) await byok.use("u").chat({ prompt });
  const report = await byok.usage(all);
  assert.equal(report.rows[0]?.calls, 3);
  assert.ok(Date.parse(report.completeFrom ?? "") <= Date.now());
  await byok.close();
});

test("a sink that fails for a while gets every event, and each counts once", async () => {
  const kept = new Map<string, UsageEvent>();
  const failures: string[] = [];
  let broken = true;
  const sink: UsageSink = {
    async write(events) {
      for (const event of events) kept.set(event.id, event);
      // Kept, but the answer is lost.
      if (broken) throw new Error("connection reset");
    },
  };
  const byok = await counted({ sink, flushIntervalMs: 10 });
  byok.on("usage.failed", ({ message }) => failures.push(message));
  for (let index = 0; index < 4; index++) await byok.use("u").chat({ prompt });
  await until(async () => (failures.length >= 2 ? true : undefined));
  broken = false;
  await byok.close();
  assert.equal(kept.size, 4);
  const unasked = await counted({ sink });
  await assert.rejects(unasked.usage(all), failsWith("INVALID_ARGUMENT", /only keeps events/));
  await unasked.close();
});

test("killed without warning, a process loses no more than the batch that was not written yet", async () => {
  const path = join(folder, "killed.db");
  const script = `
    const { BYOK, SqliteStore } = require(${JSON.stringify(join(__dirname, "../dist/index.js"))});
    const store = new SqliteStore(${JSON.stringify(path)});
    const byok = new BYOK({ masterKey: "${MASTER}", store,
      providers: ${JSON.stringify(providersAt(practice))},
      usage: { sink: store, flushIntervalMs: 100 } });
    (async () => {
      await byok.registerKey({ userId: "u", provider: "openai", apiKey: "${practice.openaiKey}" });
      for (let count = 1; ; count++) {
        await byok.use("u").chat({ prompt: "x" });
        console.log(count + " " + Date.now());
      }
    })();`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const ended: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    ended.push(Number(line.split(" ")[1]));
    if (ended.length === 300) break;
  }
  child.kill("SIGKILL");
  await once(child, "exit");
  const byok = libraryAt(practice, { usage: { sink: new SqliteStore(path) } });
  const written = (await byok.usage(all)).rows[0]?.calls ?? 0;
  await byok.close();
  // 100 ms of waiting and the write itself, for which a slow disk gets a second.
  const last = ended.at(-1) ?? 0;
  const due = ended.filter((at) => at < last - 1_100).length;
  assert.ok(written >= due, `${written} of the ${due} that were due`);
  assert.equal(ended.length, 300);
  assert.ok(written > 0 && written <= ended.length + 10, `${written} of ${ended.length}`);
});

test("prices come from a table, a file or a URL, and can be replaced", async () => {
  const path = join(folder, "prices.json");
  writeFileSync(path, JSON.stringify(prices));
  const server = createServer((_, response) => response.end(JSON.stringify(prices)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (const source of [path, pathToFileURL(path), `http://127.0.0.1:${port}/prices`]) {
    assert.deepEqual(await loadPrices(source), prices);
  }
  server.close();
  writeFileSync(path, '{"openai/*":{"inputPerMillion":"free"}}');
  await assert.rejects(loadPrices(path), failsWith("INVALID_ARGUMENT", /inputPerMillion.*amount/));

  const byok = await counted({});
  await byok.use("u").chat({ prompt, provider: "openai" });
  await byok.setPrices({ "openai/*": { perRequest: "0.5" } });
  await byok.use("u").chat({ prompt, provider: "openai" });
  assert.deepEqual(
    (await events(byok)).map((event) => event.costNanos),
    [undefined, 500_000_000],
  );
  await assert.rejects(
    byok.setPrices({ openai: { perRequest: 1 } }),
    failsWith("INVALID_ARGUMENT"),
  );
  await byok.close();
});

test("usage can be off, and mistakes are named", async () => {
  const off = await counted(false);
  await off.use("u").chat({ prompt });
  await assert.rejects(off.usage(all), failsWith("INVALID_ARGUMENT", /usage: false/));
  await off.close();
  // biome-ignore lint/suspicious/noExplicitAny: mistakes are what this is about
  const make = (usage: any) => () => libraryAt(practice, { usage });
  for (const [usage, said] of [
    [{ sinks: 1 }, /Did you mean sink/],
    [{ sink: {} }, /sink must be/],
    [{ prices: { "a/b": { input: 1 } } }, /usage\.prices|prices\["a\/b"\] has no option input/],
    [{ prices: { a: { perRequest: 1 } } }, /provider and a model/],
    [{ maxBatch: 0 }, /maxBatch must be/],
  ] as const) {
    assert.throws(make(usage), failsWith("INVALID_ARGUMENT", said));
  }
  const byok = await counted({});
  await assert.rejects(
    byok.usage({ ...all, groupBy: ["user" as "userId"] }),
    failsWith("INVALID_ARGUMENT", /groupBy must be/),
  );
  await assert.rejects(byok.usage({ from: 5, to: 5 }), failsWith("INVALID_ARGUMENT", /before to/));
  await byok.close();
});
