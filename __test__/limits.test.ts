// The app's limits over the real addon and the practice provider.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RateLimiterMemory } from "rate-limiter-flexible";
import {
  type BYOK,
  BYOKError,
  type BYOKOptions,
  type Capability,
  type Limits,
  rateLimitHeaders,
} from "../dist/index.js";
import { failsWith, libraryAt, providersAt } from "./support/library.js";
import { type Practice, requestsOf, startPractice } from "./support/practice.js";

const prompt = "What is the capital of France?";
let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
});
after(() => {
  for (const stop of cleanups) stop();
});

async function limited(limits: Limits, options: Partial<BYOKOptions> = {}): Promise<BYOK> {
  const byok = libraryAt(practice, { limits, ...options });
  for (const userId of ["a", "b"]) {
    await byok.registerKey({ userId, provider: "openai", apiKey: practice.openaiKey });
  }
  return byok;
}

async function refused(work: Promise<unknown>): Promise<BYOKError> {
  const error = await work.then(
    () => assert.fail("the call should be refused"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof BYOKError, String(error));
  assert.equal(error.code, "RATE_LIMITED", error.message);
  return error;
}

test("a user has as many requests as the rule says, a refused one is not sent, and others have their own", async () => {
  const byok = await limited({ rules: [{ per: "user", requests: 2, windowMs: 3_600_000 }] });
  const before = (await requestsOf(practice)).length;
  const answers = await Promise.allSettled(
    Array.from({ length: 6 }, () => byok.use("a").chat({ prompt })),
  );
  assert.equal(answers.filter((answer) => answer.status === "fulfilled").length, 2);
  assert.equal((await requestsOf(practice)).length, before + 2);
  const error = await refused(byok.use("a").chat({ prompt }));
  assert.ok((error.retryAfterMs ?? 0) > 1_700_000 && (error.retryAfterMs ?? 0) <= 1_800_000);
  assert.match(error.message, /2 requests in 60 min for each user/);
  assert.equal(error.retryable, true);
  const streamed = byok.use("a").chatStream({ prompt });
  await refused(streamed.result);
  assert.match((await byok.use("b").chat({ prompt })).text, /Paris/);
  await byok.close();
});

test("a refusal makes the headers of the IETF's draft", async () => {
  const byok = await limited({ rules: [{ per: "user", requests: 1, windowMs: 60_000 }] });
  assert.deepEqual(rateLimitHeaders(await byok.limits({ userId: "a" })), {
    "ratelimit-policy": '"user-requests";q=1;w=60',
    ratelimit: '"user-requests";r=1;t=0',
  });
  await byok.use("a").chat({ prompt });
  const error = await refused(byok.use("a").chat({ prompt }));
  assert.deepEqual(rateLimitHeaders(error), {
    "ratelimit-policy": '"user-requests";q=1;w=60',
    ratelimit: '"user-requests";r=0;t=60',
    "retry-after": "60",
  });
  assert.deepEqual(JSON.parse(JSON.stringify(error)).limits, error.limits);
  assert.deepEqual(rateLimitHeaders(new Error("another")), {});
  await byok.close();
});

test("a stream counts as running until it ends or is abandoned", async () => {
  const limits: Limits = { rules: [{ per: "user", concurrent: 1 }] };
  const byok = libraryAt(practice, {
    limits,
    providers: {
      ...providersAt(practice),
      openai: {
        baseURL: `${practice.origin}/fault/stall-mid/openai/v1`,
        allowPrivateNetwork: true,
      },
    },
  });
  for (const provider of ["openai", "gemini"] as const) {
    const apiKey = practice[`${provider}Key`];
    await byok.registerKey({ userId: "a", provider, apiKey, validate: false });
  }
  const again = byok.use("a").chatStream({ prompt, provider: "openai" });
  await again[Symbol.asyncIterator]().next();
  await refused(byok.use("a").chat({ prompt, provider: "gemini" }));
  again.cancel();
  // The place is free once native code has dropped the stream.
  for (let tries = 0; ; tries++) {
    try {
      await byok.use("a").chat({ prompt, provider: "gemini" });
      break;
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  await byok.close();
});

test("a refused call waits for its turn when it may, and leaves the line when it is aborted", async () => {
  const byok = await limited({
    rules: [{ per: "user", requests: 1, windowMs: 300 }],
    waitMs: 5_000,
  });
  const start = performance.now();
  await Promise.all([1, 2, 3].map(() => byok.use("a").chat({ prompt })));
  assert.ok(performance.now() - start >= 590, "two of them waited");
  const controller = new AbortController();
  const waiting = Array.from({ length: 4 }, () =>
    byok.use("a").chat({ prompt, signal: controller.signal }),
  );
  const settled = Promise.allSettled(waiting);
  setTimeout(() => controller.abort(), 20);
  assert.ok((await settled).some((answer) => answer.status === "rejected"));
  assert.ok(performance.now() - start < 5_000);
  await byok.close();
});

test("tokens are counted as the provider counts them", async () => {
  const byok = await limited({ rules: [{ per: "user", tokens: 100_000, windowMs: 86_400_000 }] });
  const { usage } = await byok.use("a").chat({ prompt, maxTokens: 5_000 });
  const [state] = await byok.limits({ userId: "a" });
  assert.ok(state !== undefined);
  assert.ok(Math.abs(100_000 - usage.totalTokens - state.remaining) <= 2, `${state.remaining}`);
  await byok.close();
});

test("a budget counts money by the app's prices, and needs some", async () => {
  const rules = [{ per: "user", spend: "0.10", period: "day" }] as const;
  assert.throws(
    () => libraryAt(practice, { limits: { rules } }),
    failsWith("INVALID_ARGUMENT", /usage\.prices/),
  );
  const prices = { "openai/*": { perRequest: "0.04" } };
  const byok = await limited({ rules }, { usage: { prices } });
  await byok.use("a").chat({ prompt });
  await byok.use("a").chat({ prompt });
  const error = await refused(byok.use("a").chat({ prompt }));
  assert.ok((error.retryAfterMs ?? Infinity) <= 86_400_000);
  assert.equal((await byok.limits({ userId: "a" }))[0]?.remaining, 0.02);
  await byok.close();
});

test("every capability passes the same limits", async () => {
  const byok = await limited({ rules: [{ per: "capability", requests: 1, windowMs: 86_400_000 }] });
  const user = byok.use("a");
  const calls: Record<Capability, () => Promise<unknown>> = {
    chat: () => user.chat({ prompt }),
    embeddings: () => user.embed({ input: "x" }),
    textToSpeech: () => user.textToSpeech({ text: "x" }),
    speechToText: () => user.speechToText({ audio: Buffer.alloc(64), filename: "a.wav" }),
    imageGeneration: () => user.generateImage({ prompt: "x" }),
  };
  for (const capability of await user.capabilities()) {
    // What the provider says to the first one does not matter: it has been counted.
    await calls[capability]().catch((error: BYOKError) =>
      assert.notEqual(error.code, "RATE_LIMITED"),
    );
    await refused(calls[capability]());
  }
  await byok.close();
});

test("a limiter with consume() decides, is told what was used, and gets back what others refused", async () => {
  const requests = new RateLimiterMemory({ points: 3, duration: 3_600 });
  const tokens = new RateLimiterMemory({ points: 100_000, duration: 3_600, keyPrefix: "tokens" });
  const byok = await limited({
    rules: [
      { name: "mine", per: "user", limiter: requests },
      { name: "spent", per: "user", limiter: tokens, counts: "tokens" },
    ],
  });
  const { usage } = await byok.use("a").chat({ prompt });
  const consumed = async () => (await tokens.get("spent:user=a"))?.consumedPoints;
  for (let tries = 0; (await consumed()) !== usage.totalTokens && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(await consumed(), usage.totalTokens);
  await byok.use("a").chat({ prompt });
  await byok.use("a").chat({ prompt });
  const spent = await consumed();
  const error = await refused(byok.use("a").chat({ prompt }));
  assert.ok((error.retryAfterMs ?? 0) > 3_500_000);
  assert.equal(error.limits?.[0]?.limit, 3);
  assert.ok(((await consumed()) ?? 0) <= (spent ?? 0));
  await byok.close();
});

test("a limiter that fails refuses calls, or lets them pass, as the app says, and it is reported", async () => {
  const broken = {
    take: async () => {
      throw new Error("no connection");
    },
    settle: async () => {},
  };
  const rules = [{ per: "user", requests: 1, windowMs: 60_000 }] as const;
  const strict = await limited({ rules, limiter: broken });
  const reports: unknown[] = [];
  strict.on("limiter.failed", (event) => reports.push(event));
  await assert.rejects(strict.use("a").chat({ prompt }), (error: BYOKError) => {
    assert.equal(error.code, "LIMITER_ERROR");
    assert.match(error.message, /whenUnavailable/);
    assert.equal((error.cause as Error).message, "no connection");
    return true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(reports.length, 1);
  const lax = await limited({ rules, limiter: broken, whenUnavailable: "allow" });
  assert.match((await lax.use("a").chat({ prompt })).text, /Paris/);
  assert.match((await lax.use("a").chat({ prompt })).text, /Paris/);
  const silent = await limited(
    { rules, limiter: { ...broken, take: () => new Promise<never>(() => {}) } },
    { callbackTimeoutMs: 50 },
  );
  await assert.rejects(silent.use("a").chat({ prompt }), failsWith("LIMITER_ERROR", /50 ms/));
  await Promise.all([strict.close(), lax.close(), silent.close()]);
});

test("mistakes in the option are named by rule and option", () => {
  // biome-ignore lint/suspicious/noExplicitAny: mistakes are what this is about
  const make = (limits: any) => () => libraryAt(practice, { limits });
  const rule = { per: "user", requests: 1, windowMs: 1 };
  for (const [limits, said] of [
    [{}, /limits needs rules/],
    [{ rules: [] }, /rules must be/],
    [
      { rules: [{ ...rule, windowMS: 1 }] },
      /limits\.rules\[0\] has no option windowMS. Did you mean windowMs/,
    ],
    [{ rules: [{ ...rule, per: "users" }] }, /per must be one of/],
    [{ rules: [{ requests: 1 }] }, /limits\.rules\[0\].*windowMs/],
    [
      { rules: [rule], limiter: new RateLimiterMemory({ points: 1, duration: 1 }) },
      /belongs into a rule/,
    ],
    [{ rules: [rule], whenUnavailable: "open" }, /whenUnavailable must be/],
    [{ rules: [rule, rule] }, /another rule called/],
    [{ rules: [{ spend: "1.2.3", period: "day" }] }, /spend.*amount/],
  ] as const) {
    assert.throws(make(limits), failsWith("INVALID_ARGUMENT", said));
  }
});
