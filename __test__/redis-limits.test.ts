// Limits over a Redis server of the test's own: exact among processes, and what happens when it fails.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { Redis } from "ioredis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { createClient } from "redis";
import type { BYOK, BYOKError, Limits } from "../dist/index.js";
import { RedisLimiter } from "../dist/limits/redis.js";
import { failsWith, libraryAt } from "./support/library.js";
import { type Practice, startPractice, until } from "./support/practice.js";
import { RedisServer } from "./support/redis.js";

const prompt = "What is the capital of France?";
let practice: Practice;
let server: RedisServer;
let redis: Redis;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
  server = await RedisServer.start();
  redis = new Redis(server.port, "127.0.0.1", { retryStrategy: () => 20 });
  redis.on("error", () => {});
});
after(async () => {
  redis.disconnect();
  await server.remove();
  for (const stop of cleanups) stop();
});

async function limited(limits: Limits): Promise<BYOK> {
  const byok = libraryAt(practice, { limits });
  for (const userId of ["a", "b"]) {
    await byok.registerKey({ userId, provider: "openai", apiKey: practice.openaiKey });
  }
  return byok;
}

const outcomes = async (calls: Promise<unknown>[]) => {
  const settled = await Promise.allSettled(calls);
  const served = settled.filter((call) => call.status === "fulfilled").length;
  const codes = settled.flatMap((call) =>
    call.status === "rejected" ? [(call.reason as BYOKError).code] : [],
  );
  return { served, codes: [...new Set(codes)].sort() };
};

test("four processes together are admitted exactly as often as the limit says", async () => {
  for (const [limit, tries] of [
    [1, 4],
    [64, 8],
    [1_000, 24],
    [10_000, 160],
  ] as const) {
    const children = Array.from({ length: 4 }, () =>
      fork(
        join(__dirname, "../__test__/limits/redis-child.cjs"),
        [server.port, limit, 16, tries].map(String),
        { stdio: ["ignore", "pipe", "inherit", "ipc"] },
      ),
    );
    await Promise.all(children.map((child) => once(child, "message")));
    const counts = await Promise.all(
      children.map(async (child) => {
        child.send("go");
        return Number(await text(child.stdout as NodeJS.ReadableStream));
      }),
    );
    assert.ok(64 * tries > limit);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      limit,
      counts.join(" + "),
    );
  }
});

test("instances share one allowance, with ioredis and with redis", async () => {
  const other = await createClient({ url: `redis://127.0.0.1:${server.port}` }).connect();
  const rules: Limits["rules"] = [
    { name: "shared", per: "user", requests: 5, windowMs: 86_400_000 },
    { name: "all", requests: 7, windowMs: 86_400_000 },
  ];
  const one = await limited({ rules, limiter: new RedisLimiter(redis) });
  const two = await limited({ rules, limiter: new RedisLimiter(other) });
  const calls = (userId: string) =>
    [one, two, one, two, one, two, one].map((byok) => byok.use(userId).chat({ prompt }));
  assert.deepEqual(await outcomes(calls("a")), { served: 5, codes: ["RATE_LIMITED"] });
  // Two are left of the common allowance, and refusals take nothing of b's own.
  assert.deepEqual(await outcomes(calls("b")), { served: 2, codes: ["RATE_LIMITED"] });
  const states = await one.limits({ userId: "b" });
  assert.deepEqual(
    states.map(({ rule, limit, remaining }) => [rule, limit, remaining]),
    [
      ["shared", 5, 3],
      ["all", 7, 0],
    ],
  );
  await Promise.all([one.close(), two.close()]);
  await other.close();
});

test("rates come back with time, calls at once with their ends, tokens with what was used", async () => {
  const limiter = new RedisLimiter(redis, { prefix: "{time}:" });
  const byok = await limited({
    rules: [
      { name: "rate", per: "user", requests: 2, windowMs: 400 },
      { name: "once", per: "user", concurrent: 1 },
      { name: "tokens", per: "user", tokens: 10_000, windowMs: 86_400_000 },
    ],
    limiter,
    waitMs: 5_000,
  });
  const start = performance.now();
  const answers = await Promise.all([1, 2, 3, 4].map(() => byok.use("a").chat({ prompt })));
  assert.ok(performance.now() - start >= 380, "two of them waited");
  const used = answers.reduce((sum, answer) => sum + answer.usage.totalTokens, 0);
  const left = await until(async () => {
    const [, once, tokens] = await byok.limits({ userId: "a" });
    return once?.remaining === 1 ? tokens?.remaining : undefined;
  });
  await until(async () => {
    const [, , tokens] = await byok.limits({ userId: "a" });
    return Math.abs((tokens?.remaining ?? 0) - (10_000 - used)) <= 1 ? true : undefined;
  }).catch(() => assert.fail(`${left} of ${10_000 - used}`));
  await byok.close();
});

test("a budget is shared, and all keys expire", async () => {
  const byok = libraryAt(practice, {
    limits: {
      rules: [
        { per: "user", spend: "0.10", period: "month" },
        { per: "user", requests: 100, windowMs: 2_000 },
        { per: "user", concurrent: 3, leaseMs: 1_500 },
      ],
      limiter: new RedisLimiter(redis, { prefix: "{money}:" }),
    },
    usage: { prices: { "openai/*": { perRequest: "0.04" } } },
  });
  await byok.registerKey({ userId: "a", provider: "openai", apiKey: practice.openaiKey });
  await byok.use("a").chat({ prompt });
  await byok.use("a").chat({ prompt });
  await assert.rejects(byok.use("a").chat({ prompt }), failsWith("RATE_LIMITED", /0\.1 a month/));
  for (const key of await redis.keys("{money}:*")) {
    const left = await redis.pttl(key);
    assert.ok(left > 0 && left < 32 * 86_400_000, `${key} ${left}`);
  }
  await until(async () =>
    (await redis.keys("{money}:*")).every((key) => key.includes("spend")) ? true : undefined,
  );
  await byok.close();
});

test("a limiter of rate-limiter-flexible on Redis decides about its rule", async () => {
  const limiter = new RateLimiterRedis({ storeClient: redis, points: 2, duration: 3_600 });
  const byok = await limited({ rules: [{ per: "user", limiter }] });
  const calls = [1, 2, 3, 4].map(() => byok.use("a").chat({ prompt }));
  assert.deepEqual(await outcomes(calls), { served: 2, codes: ["RATE_LIMITED"] });
  await byok.close();
});

test("while Redis is down, slow or full, calls end in time as the app says, and go on afterwards", async () => {
  const rules: Limits["rules"] = [{ name: "fault", per: "user", requests: 1_000, windowMs: 1_000 }];
  const limiter = new RedisLimiter(redis, { prefix: "{fault}:", timeoutMs: 200 });
  const strict = await limited({ rules, limiter });
  const lax = await limited({ rules, limiter, whenUnavailable: "allow" });
  let reports = 0;
  lax.on("limiter.failed", () => reports++);
  const load = async () => {
    const start = performance.now();
    const [refusing, allowing] = await Promise.all([
      outcomes(Array.from({ length: 8 }, () => strict.use("a").chat({ prompt }))),
      outcomes(Array.from({ length: 8 }, () => lax.use("b").chat({ prompt }))),
    ]);
    // The limiter's own time, and room for a busy machine; far below the callback timeout of 10 s.
    assert.ok(performance.now() - start < 3_000, "no call hangs");
    return { refusing, allowing };
  };
  const fine = {
    refusing: { served: 8, codes: [] },
    allowing: { served: 8, codes: [] },
  };
  const failing = {
    refusing: { served: 0, codes: ["LIMITER_ERROR"] },
    allowing: { served: 8, codes: [] },
  };
  assert.deepEqual(await load(), fine);
  const back = () =>
    until(async () => (await redis.ping().catch(() => "")) === "PONG" || undefined);

  await server.kill();
  assert.deepEqual(await load(), failing);
  assert.ok(reports >= 8, "it is reported");
  await server.start();
  await back();
  assert.deepEqual(await load(), fine);

  server.freeze();
  assert.deepEqual(await load(), failing);
  server.thaw();
  await back();
  assert.deepEqual(await load(), fine);

  await redis.config("SET", "maxmemory", "1");
  await redis.config("SET", "maxmemory-policy", "noeviction");
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // until no key of this test is left
  assert.deepEqual(await load(), failing);
  await redis.config("SET", "maxmemory", "0");
  assert.deepEqual(await load(), fine);

  // In mid-load: whatever moment it is killed at, every call ends.
  const calls = Array.from({ length: 200 }, () => lax.use("a").chat({ prompt }));
  await server.kill();
  const { codes } = await outcomes(calls);
  assert.deepEqual(codes, []);
  await server.start();
  await back();
  assert.deepEqual(await load(), fine);
  await Promise.all([strict.close(), lax.close()]);
});
