// Which of a user's keys serves a request, and when another one does, over the real addon and the
// practice provider.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BYOK, RequestDefaults } from "../dist/index.js";
import { failsWith, keyOf, libraryAt, type Provider, providersAt } from "./support/library.js";
import { type Practice, requestsOf, startPractice } from "./support/practice.js";

const prompt = "What is the capital of France?";
const BAD = "practice-nobody-0123456789abcdef";
const OUT_OF_QUOTA = "practice-quota-0123456789abcdef";
const LIMITED = "practice-ratelimited-0123456789abcdef";
const DOWN = "practice-down-0123456789abcdef";

let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
});
after(() => {
  for (const stop of cleanups) stop();
});

/** A library where user "u" has these keys, the last one the newest. `null` is a good key. */
async function withKeys(
  keys: [Provider, label: string, apiKey: string | null][],
  options: object = {},
): Promise<BYOK> {
  const providers = providersAt(practice, "", { maxRetries: 0 });
  // Refused keys are asked again and again here: what becomes of them is another test's matter.
  const health = { invalidAfter: 0 };
  const byok = libraryAt(practice, { providers, health, ...options });
  for (const [provider, label, apiKey] of keys) {
    await byok.registerKey({
      userId: "u",
      provider,
      label,
      apiKey: apiKey ?? keyOf(practice, provider),
      validate: false,
    });
    await new Promise((done) => setTimeout(done, 3)); // the times of registration must differ
  }
  return byok;
}

const who = (result: { provider: string; label: string }) => `${result.provider}/${result.label}`;

test("each failure of a key or a provider moves on to the next key, and the result says who failed", async () => {
  const causes: [string, string, number][] = [
    [BAD, "KEY_INVALID", 401],
    [OUT_OF_QUOTA, "QUOTA_EXCEEDED", 429],
    [LIMITED, "PROVIDER_RATE_LIMITED", 429],
    [DOWN, "PROVIDER_UNAVAILABLE", 503],
  ];
  for (const [apiKey, code, status] of causes) {
    const byok = await withKeys([
      ["anthropic", "default", null],
      ["openai", "default", apiKey],
    ]);
    const user = byok.use("u", { fallback: true });
    const whole = await user.chat({ prompt });
    const streamed = await user.chatStream({ prompt }).result;
    for (const result of [whole, streamed]) {
      assert.match(result.text, /Paris/);
      assert.equal(who(result), "anthropic/default");
      const failed = result.failedAttempts?.map((attempt) => [
        who(attempt),
        attempt.code,
        attempt.status,
      ]);
      assert.deepEqual(failed, [["openai/default", code, status]]);
    }
    await assert.rejects(byok.use("u").chat({ prompt }), failsWith(code));
  }
});

test("other labels of the same provider come first, and then other providers in the order that is asked for", async () => {
  const byok = await withKeys([
    ["gemini", "default", null],
    ["anthropic", "default", null],
    ["openai", "old", BAD],
    ["openai", "default", BAD],
  ]);
  const tried = async (defaults: RequestDefaults) => {
    const result = await byok.use("u", defaults).chat({ prompt });
    return [...(result.failedAttempts ?? []).map(who), who(result)];
  };
  const both = ["openai/default", "openai/old"];
  assert.deepEqual(await tried({ fallback: true }), [...both, "anthropic/default"]);
  assert.deepEqual(await tried({ fallback: ["gemini", "anthropic"] }), [...both, "gemini/default"]);
  assert.deepEqual(await tried({ provider: "openai", label: "old", fallback: ["gemini"] }), [
    "openai/old",
    "gemini/default",
  ]);
  const preferring = await withKeys(
    [
      ["gemini", "default", null],
      ["anthropic", "default", null],
      ["openai", "default", BAD],
    ],
    { prefer: ["openai", "gemini"] },
  );
  const result = await preferring.use("u", { fallback: true }).chat({ prompt });
  assert.equal(who(result), "gemini/default");
});

test("model and options are for the first provider alone", async () => {
  const byok = await withKeys([
    ["anthropic", "default", null],
    ["openai", "second", null],
    ["openai", "default", BAD],
  ]);
  const request = { prompt, model: "gpt-4.1", providerOptions: { api: "chat-completions" } };
  const same = await byok.use("u").chat({ ...request, provider: "openai", fallback: true });
  assert.equal(who(same), "openai/second");
  assert.match(same.model, /^gpt-4\.1/);
  for (const sent of (await requestsOf(practice)).slice(-2))
    assert.match(sent.path, /chat\/completions$/);
  await byok.deleteKey({ userId: "u", provider: "openai", label: "second" });
  const other = await byok.use("u").chat({ ...request, provider: "openai", fallback: true });
  assert.equal(who(other), "anthropic/default");
  assert.match(other.model, /claude/);
});

test("when every key fails the last error stands and names those before it", async () => {
  const byok = await withKeys([
    ["anthropic", "default", DOWN],
    ["openai", "default", BAD],
  ]);
  const failing = byok.use("u", { fallback: true });
  const last = failsWith(
    "PROVIDER_UNAVAILABLE",
    /Tried before: openai \(default, KEY_INVALID\)\.$/,
  );
  await assert.rejects(failing.chat({ prompt }), last);
  await assert.rejects(failing.chatStream({ prompt }).result, last);
});

test("a bad request is sent once, and a stream that has begun stays with its key", async () => {
  const byok = await withKeys([
    ["anthropic", "default", null],
    ["openai", "default", null],
  ]);
  const count = async () => (await requestsOf(practice)).length;
  const before = await count();
  const user = byok.use("u", { fallback: true });
  await assert.rejects(user.chat({ prompt, model: "no-such-model" }), failsWith("MODEL_NOT_FOUND"));
  assert.equal((await count()) - before, 1);

  const providers = {
    ...providersAt(practice, "", { maxRetries: 0 }),
    openai: {
      baseURL: `${practice.origin}/fault/cut,3000/openai/v1`,
      allowPrivateNetwork: true,
      maxRetries: 0,
    },
  };
  const cut = libraryAt(practice, { providers });
  for (const provider of ["anthropic", "openai"] as const) {
    await cut.registerKey({
      userId: "u",
      provider,
      apiKey: keyOf(practice, provider),
      validate: false,
    });
  }
  const stream = cut.use("u", { provider: "openai", fallback: true }).chatStream({
    prompt: "one two three four five six seven eight nine ten eleven twelve",
  });
  await assert.rejects(stream.result, failsWith("STREAM_INTERRUPTED"));
});

test("fallback names providers that exist, and a record that was tampered with is an alarm", async () => {
  const byok = await withKeys([
    ["anthropic", "default", null],
    ["openai", "default", null],
  ]);
  await assert.rejects(
    byok.use("u").chat({ prompt, fallback: ["anthropc"] }),
    failsWith("UNKNOWN_PROVIDER", /fallback: .*Did you mean "anthropic"/),
  );
  assert.throws(
    () => byok.use("u", { fallback: "anthropic" as never }),
    failsWith("INVALID_ARGUMENT", /fallback/),
  );
});
