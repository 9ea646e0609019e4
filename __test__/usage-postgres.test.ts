// Usage in PostgreSQL, through both clients: the same events and sums as memory has, each event once.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import pg from "pg";
import postgres from "postgres";
import type { BYOK, UsageEvent, UsageQuery, UsageRow, UsageSinkQuery } from "../dist/index.js";
import { PostgresUsage } from "../dist/usage/postgres.js";
import { failsWith, libraryAt } from "./support/library.js";
import { type Practice, startPractice } from "./support/practice.js";

const url = process.env["BYOK_TEST_POSTGRES_URL"] ?? "postgres://postgres@127.0.0.1:5432/postgres";
const table = `byok_usage_${process.pid}_${Date.now().toString(36)}`;
const pool = new pg.Pool({ connectionString: url });
const sql = postgres(url, { onnotice: () => {} });
let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
  await new PostgresUsage(pool, { table }).migrate();
  await new PostgresUsage(sql, { table }).migrate();
});
after(async () => {
  await pool.query(`DROP TABLE IF EXISTS ${table}`);
  await pool.end();
  await sql.end();
  for (const stop of cleanups) stop();
});

const clients = [
  ["pg", new PostgresUsage(pool, { table })],
  ["postgres.js", new PostgresUsage(sql, { table })],
] as const;

test("calls are kept once however often they are written, and read back as they were", async () => {
  const full: UsageEvent = {
    id: randomUUID(),
    startedAt: "2026-11-26T12:00:00.007Z",
    namespace: "full",
    userId: "ü\0\u0001 user",
    provider: "openai",
    label: "default",
    model: "m",
    capability: "chat",
    status: "PROVIDER_RATE_LIMITED",
    durationMs: 12,
    firstOutputMs: 3,
    retries: 2,
    attempt: 1,
    requestId: "req_1",
    inputTokens: 1,
    outputTokens: 2,
    cachedInputTokens: 3,
    reasoningTokens: 4,
    characters: 5,
    audioMs: 6,
    images: 7,
    costNanos: 9_007_199_254_740_991,
  };
  const { model, firstOutputMs, requestId, costNanos, ...rest } = full;
  const sparse: UsageEvent = { ...rest, id: randomUUID(), status: "ok" };
  for (const [name, sink] of clients) {
    await sink.write([full, sparse]);
    await sink.write([sparse, full]);
    const filter = { namespace: "full", fromMs: 0, toMs: Date.parse("2027-01-01") };
    const kept = await sink.events({ filter, limit: 10 });
    assert.deepEqual(
      new Map(kept.map((event) => [event.id, event])),
      new Map([full, sparse].map((event) => [event.id, event])),
      name,
    );
    const [first] = await sink.events({ filter, limit: 1 });
    assert.ok(first);
    const after = { at: first.startedAt, id: first.id };
    assert.equal((await sink.events({ filter, after, limit: 10 })).length, 1);
    const [row] = await sink.query({ ...filter, groupBy: ["userId"], interval: "month" });
    assert.deepEqual(
      [row?.userId, row?.start, row?.calls, row?.failed, row?.images, row?.unpriced],
      [full.userId, "2026-11-01T00:00:00.000Z", 2, 1, 14, 1],
    );
  }
});

test("a library that counts in PostgreSQL gives the sums of one that counts in memory", async () => {
  for (const [name, sink] of clients) {
    const copies: UsageEvent[] = [];
    const copying = {
      write: async (events: readonly UsageEvent[]) => {
        copies.push(...events);
        await sink.write(events);
      },
      query: (query: UsageSinkQuery) => sink.query(query),
      events: sink.events.bind(sink),
    };
    const prices = { "openai/*": { inputPerMillion: "0.25", outputPerMillion: "2" } };
    const byok: BYOK = libraryAt(practice, {
      namespace: `library-${name}`,
      usage: { sink: copying, prices },
    });
    for (const provider of ["openai", "gemini"] as const) {
      const apiKey = practice[`${provider}Key`];
      await byok.registerKey({ userId: "u", provider, apiKey, validate: false });
      await byok.use("u").chat({ prompt: "x", provider });
      await byok.use("u").chatStream({ prompt: "x", provider }).result;
    }
    const query: UsageQuery = {
      from: 0,
      groupBy: ["provider", "model", "status"],
      interval: "day",
    };
    const { rows, dropped } = await byok.usage(query);
    assert.equal(dropped, 0);
    assert.equal(copies.length, 4);
    for (const row of rows) {
      const own = copies.filter((event) => event.provider === row.provider);
      const sum = (field: keyof UsageEvent & keyof UsageRow) =>
        own.reduce((sum, event) => sum + Number(event[field] ?? 0), 0);
      for (const field of ["inputTokens", "outputTokens", "durationMs", "costNanos"] as const) {
        assert.equal(row[field], sum(field), `${name}: ${row.provider} ${field}`);
      }
      assert.equal(row.calls, 2);
      assert.equal(row.unpriced, row.provider === "gemini" ? 2 : 0);
    }
    const events: UsageEvent[] = [];
    for await (const event of byok.usageEvents({ from: 0 })) events.push(event);
    assert.deepEqual(events, copies);
    await byok.close();
  }
});

test("other clients and tables' names that can't be are refused", () => {
  assert.throws(() => new PostgresUsage({} as pg.Pool), failsWith("INVALID_ARGUMENT", /Pool/));
  assert.throws(
    () => new PostgresUsage(pool, { table: 'x"; DROP TABLE y' }),
    failsWith("INVALID_ARGUMENT", /letters, digits/),
  );
  assert.equal(PostgresUsage.schema({ table: "app.usage" }).length, 3);
});
