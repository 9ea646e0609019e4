// The health of keys and origins over the real addon and the practice provider.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BYOK, BYOKEvents, BYOKOptions } from "../dist/index.js";
import { failsWith, libraryAt, providersAt } from "./support/library.js";
import { type Practice, requestsOf, startPractice, until } from "./support/practice.js";

const prompt = "What is the capital of France?";
const BAD = "practice-nobody-0123456789abcdef";
const LIMITED = "practice-ratelimited-0123456789abcdef";
let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
});
after(() => {
  for (const stop of cleanups) stop();
});

async function withKey(apiKey: string, options: Partial<BYOKOptions> = {}): Promise<BYOK> {
  const providers = providersAt(practice, "", { maxRetries: 0 });
  const byok = libraryAt(practice, { providers, health: {}, ...options });
  await byok.registerKey({ userId: "u", provider: "openai", apiKey, validate: false });
  return byok;
}

function listen(byok: BYOK, ...names: (keyof BYOKEvents)[]): string[] {
  const heard: string[] = [];
  for (const name of names) byok.on(name, () => heard.push(name));
  return heard;
}

const asked = async () => (await requestsOf(practice)).length;

test("a key that its provider refuses is not tried again until it is replaced", async () => {
  const byok = await withKey(BAD);
  const heard = listen(byok, "key.invalid", "key.recovered");
  const user = byok.use("u");
  await assert.rejects(user.chat({ prompt }), failsWith("KEY_INVALID"));
  const before = await asked();
  await assert.rejects(user.chat({ prompt }), failsWith("KEY_INVALID", /not asked again/));
  await assert.rejects(user.chatStream({ prompt }).result, failsWith("KEY_INVALID"));
  assert.equal(await asked(), before);
  const status = async () => (await byok.listKeys({ userId: "u" }))[0]?.status;
  await until(async () => ((await status()) === "invalid" ? true : undefined));
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: practice.openaiKey });
  assert.match((await user.chat({ prompt })).text, /Paris/);
  assert.equal(await status(), "active");
  await until(async () => (heard.length === 2 ? true : undefined));
  assert.deepEqual(heard, ["key.invalid", "key.recovered"]);
  await byok.close();
});

test("the provider is asked as often as the app says before a key counts as invalid", async () => {
  const byok = await withKey(BAD, { health: { invalidAfter: 3 } });
  const before = await asked();
  for (let tries = 0; tries < 6; tries++) {
    await assert.rejects(byok.use("u").chat({ prompt }), failsWith("KEY_INVALID"));
  }
  assert.equal(await asked(), before + 3);
  await byok.close();
  const patient = await withKey(BAD, { health: { invalidAfter: 0 } });
  for (let tries = 0; tries < 4; tries++) {
    await assert.rejects(patient.use("u").chat({ prompt }), failsWith("KEY_INVALID"));
  }
  assert.equal(await asked(), before + 7);
  await patient.close();
});

test("verifyKey brings a key back, and so does the periodic check", async () => {
  const status = async (byok: BYOK) => (await byok.listKeys({ userId: "u" }))[0]?.status;
  // The provider refuses the key at first, and accepts it later: another base URL does as well.
  for (const recheckMs of [undefined, 30]) {
    const byok = await withKey(practice.openaiKey, {
      health: recheckMs === undefined ? {} : { recheckMs },
      providers: {
        openai: {
          baseURL: `${practice.origin}/fault/flaky,1,401,${recheckMs}/openai/v1`,
          allowPrivateNetwork: true,
        },
      },
    });
    const heard = listen(byok, "key.recovered");
    await assert.rejects(byok.use("u").chat({ prompt }), failsWith("KEY_INVALID"));
    if (recheckMs === undefined) await byok.verifyKey({ userId: "u", provider: "openai" });
    await until(async () => (heard.length === 1 ? true : undefined));
    assert.equal(await status(byok), "active");
    assert.match((await byok.use("u").chat({ prompt })).text, /Paris/);
    await byok.close();
  }
});

test("a key that another process found invalid is not tried either, while another one serves", async () => {
  const byok = await withKey(BAD);
  await assert.rejects(byok.use("u").chat({ prompt }), failsWith("KEY_INVALID"));
  await byok.registerKey({ userId: "u", provider: "gemini", apiKey: practice.geminiKey });
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: BAD, validate: false });
  await assert.rejects(
    byok.verifyKey({ userId: "u", provider: "openai" }),
    failsWith("KEY_INVALID"),
  );
  // The newest key would serve if it worked.
  assert.equal((await byok.use("u").chat({ prompt })).provider, "gemini");
  await byok.close();
});

test("a rate limit of the provider is told, and leaves the key as it is", async () => {
  const byok = await withKey(LIMITED);
  const heard = listen(byok, "key.rateLimited", "key.invalid");
  await assert.rejects(byok.use("u").chat({ prompt }), failsWith("PROVIDER_RATE_LIMITED"));
  await until(async () => (heard.length === 1 ? true : undefined));
  assert.deepEqual(heard, ["key.rateLimited"]);
  await byok.close();
});

test("an origin that does not answer rests, and a probe finds out that it is back", async () => {
  const down = { baseURL: "http://127.0.0.1:1/v1", allowPrivateNetwork: true, maxRetries: 0 };
  const byok = await withKey(practice.openaiKey, {
    providers: { ...providersAt(practice), openai: down },
    health: { circuit: { failures: 3, openMs: 200 } },
  });
  const heard = listen(byok, "circuit.opened", "circuit.closed");
  const user = byok.use("u");
  for (let tries = 0; tries < 3; tries++) {
    await assert.rejects(user.chat({ prompt }), failsWith("PROVIDER_UNAVAILABLE"));
  }
  await assert.rejects(
    user.chat({ prompt }),
    failsWith("PROVIDER_UNAVAILABLE", /none is sent there/),
  );
  // Other origins are another matter.
  await byok.registerKey({ userId: "u", provider: "gemini", apiKey: practice.geminiKey });
  assert.match((await user.chat({ prompt, provider: "gemini" })).text, /Paris/);
  await new Promise((resolve) => setTimeout(resolve, 250));
  await assert.rejects(
    user.chat({ prompt, provider: "openai" }),
    failsWith("PROVIDER_UNAVAILABLE", /127\.0\.0\.1/),
  );
  assert.deepEqual(heard, ["circuit.opened"]);
  await byok.close();
});

test("events that there are not are named, and a listener can be taken off", async () => {
  const byok = await withKey(practice.openaiKey);
  assert.throws(
    () => byok.on("key.invald" as "key.invalid", () => {}),
    failsWith("INVALID_ARGUMENT", /key\.invalid/),
  );
  const heard: unknown[] = [];
  const listener = () => heard.push(1);
  byok.on("key.invalid", listener).off("key.invalid", listener);
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: BAD, validate: false });
  await assert.rejects(byok.use("u").chat({ prompt }), failsWith("KEY_INVALID"));
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(heard.length, 0);
  assert.throws(
    () => libraryAt(practice, { health: { circuit: { failures: 0 } } }),
    failsWith("INVALID_ARGUMENT", /failures/),
  );
  await byok.close();
});
