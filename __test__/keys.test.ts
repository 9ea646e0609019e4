// Users' keys from registration to deletion, over the real addon and the practice provider.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { MemoryStore, SqliteStore } from "../dist/index.js";
import { failsWith, keyOf, libraryAt, MASTER, PROVIDERS, providersAt } from "./support/library.js";
import { type Practice, requestsOf, startPractice } from "./support/practice.js";

const SECOND = "sk-practice-second-0123456789abcdef";
const prompt = "What is the capital of France?";
let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop), ["--key", SECOND]);
});
after(() => {
  for (const stop of cleanups) stop();
});

for (const provider of PROVIDERS) {
  test(`${provider}: a pasted key is trimmed, tried once with a GET, and described`, async () => {
    await fetch(`${practice.origin}/control/requests?clear=1`);
    const byok = libraryAt(practice);
    const apiKey = ` \t${keyOf(practice, provider)}\r\n`;
    const metadata = { team: "blue", nested: { n: 1 } };
    const info = await byok.registerKey({ userId: "u", provider, apiKey, label: "work", metadata });
    assert.equal(info.status, "active");
    assert.deepEqual([info.userId, info.provider, info.label], ["u", provider, "work"]);
    assert.ok(info.hint.endsWith(`...${apiKey.trim().slice(-4)}`), info.hint);
    assert.match(info.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(info.verifiedAt);
    assert.deepEqual(info.metadata, metadata);
    assert.deepEqual(await byok.listKeys({ userId: "u" }), [info]);
    const requests = await requestsOf(practice);
    assert.deepEqual(
      requests.map((request) => request.method),
      ["GET"],
    );
    assert.match((await byok.use("u").chat({ prompt })).text, /Paris/);
  });

  test(`${provider}: the outcomes of the live check are told apart, and the earlier key stays`, async () => {
    const byok = libraryAt(practice, {
      providers: providersAt(practice, "", { maxRetries: 0 }),
    });
    const kept = await byok.registerKey({
      userId: "u",
      provider,
      apiKey: keyOf(practice, provider),
    });
    const outcomes: [string, string, RegExp][] = [
      ["practice-nobody-0123456789abcdef", "KEY_REJECTED", /Nothing was stored/],
      ["practice-noperm-0123456789abcdef", "PERMISSION_DENIED", /nothing was stored/],
      ["practice-quota-0123456789abcdef", "QUOTA_EXCEEDED", /nothing was stored/],
      ["practice-ratelimited-0123456789abcdef", "PROVIDER_RATE_LIMITED", /nothing was stored/],
      ["practice-down-0123456789abcdef", "PROVIDER_UNAVAILABLE", /nothing was stored/],
    ];
    for (const [apiKey, code, message] of outcomes) {
      const fresh = { userId: "fresh", provider, apiKey };
      await assert.rejects(byok.registerKey(fresh), failsWith(code, message));
      assert.equal(await byok.hasKey({ userId: "fresh", provider }), false);
      await assert.rejects(byok.registerKey({ ...fresh, userId: "u" }), failsWith(code));
      assert.deepEqual(await byok.listKeys({ userId: "u" }), [kept]);
    }
    assert.match((await byok.use("u").chat({ prompt })).text, /Paris/);
    await assert.rejects(
      byok.registerKey({ userId: "u", provider, apiKey: "practice-ratelimited-0123456789" }),
      { code: "PROVIDER_RATE_LIMITED", provider, status: 429, retryable: true, retryAfterMs: 1000 },
    );
  });

  test(`${provider}: a provider that can't be reached is PROVIDER_UNAVAILABLE, and nothing is stored`, async () => {
    const closed = { baseURL: "http://127.0.0.1:9", allowPrivateNetwork: true, maxRetries: 0 };
    const byok = libraryAt(practice, { providers: { [provider]: closed } });
    const key = { userId: "u", provider, apiKey: keyOf(practice, provider) };
    await assert.rejects(byok.registerKey(key), failsWith("PROVIDER_UNAVAILABLE", /"format"/));
    assert.equal(await byok.hasKey({ userId: "u", provider }), false);
  });

  test(`${provider}: without the live check a key is stored as unverified, and nobody is asked`, async () => {
    await fetch(`${practice.origin}/control/requests?clear=1`);
    const byok = libraryAt(practice);
    for (const validate of ["format", false] as const) {
      const apiKey = "no-prefix-that-anyone-knows";
      const info = await byok.registerKey({ userId: "u", provider, apiKey, validate });
      assert.equal(info.status, "unverified");
      assert.equal(info.verifiedAt, undefined);
      for (const bad of ["", "  ", "two words", "line\nbreak", "k\u00e9y", "x".repeat(8193)]) {
        await assert.rejects(
          byok.registerKey({ userId: "u", provider, apiKey: bad, validate }),
          failsWith("INVALID_ARGUMENT", /^apiKey/),
        );
      }
      assert.deepEqual(await byok.listKeys({ userId: "u" }), [info]);
    }
    assert.deepEqual(await requestsOf(practice), []);
  });
}

test("a key of another provider's shape is refused by the provider, and the message says whose it is", async () => {
  const byok = libraryAt(practice);
  const cases: [string, string, RegExp][] = [
    [
      "openai",
      "sk-ant-api03-somebody-0123456789abcdef",
      /looks like a key of Anthropic.*"anthropic"/,
    ],
    ["openai", "AIzaSomebody0123456789abcdef", /looks like a key of .*Gemini.*"gemini"/],
    ["anthropic", "sk-proj-somebody-0123456789abcdef", /looks like a key of OpenAI.*"openai"/],
    ["gemini", "sk-proj-somebody-0123456789abcdef", /looks like a key of OpenAI.*"openai"/],
  ];
  for (const [provider, apiKey, message] of cases) {
    const attempt = byok.registerKey({ userId: "u", provider, apiKey });
    await assert.rejects(attempt, failsWith("KEY_REJECTED", message));
  }
});

test("no prefix is refused: what the provider accepts is stored", async () => {
  const odd = ["AIza-odd-0123456789abcdef", "sk-ant-odd-0123456789", "x", "~!@#$%^&*()_+{}|:<>?"];
  const stops: (() => void)[] = [];
  const own = await startPractice(
    (stop) => stops.push(stop),
    odd.flatMap((key) => ["--key", key]),
  );
  const byok = libraryAt(own);
  for (const provider of PROVIDERS) {
    for (const apiKey of odd) {
      const info = await byok.registerKey({ userId: "u", provider, apiKey });
      assert.equal(info.status, "active", `${provider} ${apiKey}`);
    }
    assert.match((await byok.use("u").chat({ provider, prompt })).text, /Paris/);
  }
  for (const stop of stops) stop();
});

test("a key is replaced while requests run: they use the old or the new one, never none", async () => {
  await fetch(`${practice.origin}/control/requests?clear=1`);
  const byok = libraryAt(practice);
  const keys = [practice.openaiKey, SECOND];
  const name = { userId: "u", provider: "openai" };
  await byok.registerKey({ ...name, apiKey: SECOND });
  let replacing = true;
  let asked = 0;
  const reader = async () => {
    while (replacing) {
      assert.match((await byok.use("u").chat({ prompt })).text, /Paris/);
      assert.equal(await byok.hasKey(name), true);
      assert.equal((await byok.listKeys({ userId: "u" })).length, 1);
      asked++;
    }
  };
  const readers = Promise.all([reader(), reader(), reader(), reader()]);
  for (let turn = 0; turn < 30; turn++) {
    await byok.registerKey({ ...name, apiKey: keys[turn % 2] ?? "" });
  }
  replacing = false;
  await readers;
  assert.ok(asked >= 4);
  const chats = (await requestsOf(practice)).filter((request) => request.method === "POST");
  const used = new Set(chats.map((request) => request.headers["authorization"]));
  assert.deepEqual([...used].sort(), keys.map((key) => `Bearer ${key}`).sort());
});

test("verifyKey says when a stored key no longer works, and its status stays so until it does", async () => {
  const stops: (() => void)[] = [];
  const changed = await startPractice((stop) => stops.push(stop));
  const store = new MemoryStore();
  const name = { userId: "u", provider: "openai" };
  const accepted = libraryAt(practice, { store });
  await accepted.registerKey({ ...name, apiKey: SECOND, validate: "format" });
  const first = await accepted.verifyKey(name);
  assert.equal(first.status, "active");
  assert.ok(first.verifiedAt);

  const refusing = libraryAt(changed, { store });
  await assert.rejects(refusing.verifyKey(name), failsWith("KEY_INVALID", /registerKey/));
  const [now] = await accepted.listKeys({ userId: "u" });
  assert.deepEqual([now?.status, now?.verifiedAt], ["invalid", first.verifiedAt]);
  await assert.rejects(refusing.use("u").chat({ prompt }), failsWith("KEY_INVALID"));

  const down = libraryAt(practice, { store }, "/fault/status,503");
  await assert.rejects(
    down.verifyKey({ ...name, timeoutMs: 2000 }),
    failsWith("PROVIDER_UNAVAILABLE"),
  );
  assert.equal((await accepted.listKeys({ userId: "u" }))[0]?.status, "invalid");
  assert.equal((await accepted.verifyKey(name)).status, "active");
  await assert.rejects(
    accepted.verifyKey({ userId: "nobody", provider: "openai" }),
    failsWith("KEY_NOT_FOUND", /registerKey/),
  );
  for (const stop of stops) stop();
});

test("namespaces, users, providers and labels are worlds of their own", async () => {
  const store = new MemoryStore();
  const shop = libraryAt(practice, { store, namespace: "shop" });
  const other = libraryAt(practice, { store, namespace: "other" });
  const openai = { userId: "u", provider: "openai", apiKey: practice.openaiKey };
  await shop.registerKey(openai);
  await shop.registerKey({ ...openai, label: "work" });
  await shop.registerKey({ ...openai, userId: "U" });
  await shop.registerKey({ userId: "u", provider: "gemini", apiKey: practice.geminiKey });
  await other.registerKey(openai);
  const labels = (await shop.listKeys({ userId: "u" })).map(
    (key) => `${key.provider}/${key.label}`,
  );
  assert.deepEqual(labels.sort(), ["gemini/default", "openai/default", "openai/work"]);
  assert.equal(await shop.hasKey({ userId: "u", provider: "openai", label: "Work" }), false);
  assert.equal(await shop.deleteKey({ userId: "u", provider: "openai", label: "nope" }), false);
  assert.equal(await shop.deleteKey({ userId: "u", provider: "openai", label: "work" }), true);
  assert.equal(await shop.deleteUser({ userId: "u" }), 2);
  assert.equal(await shop.deleteUser({ userId: "u" }), 0);
  assert.equal((await shop.listKeys({ userId: "U" })).length, 1);
  assert.equal(await other.hasKey({ userId: "u", provider: "openai" }), true);
  await assert.rejects(shop.use("u").chat({ prompt }), failsWith("KEY_NOT_FOUND", /registerKey/));
  assert.match((await other.use("u").chat({ prompt })).text, /Paris/);
});

test("equal keys have equal fingerprints under one master key only", async () => {
  const register = async (masterKey: string, userId: string, apiKey: string) => {
    const byok = libraryAt(practice, { masterKey });
    return (await byok.registerKey({ userId, provider: "openai", apiKey })).fingerprint;
  };
  const foreign = Buffer.alloc(32, "another master key \x03\x04").toString("base64");
  const first = await register(MASTER, "a", SECOND);
  assert.equal(await register(MASTER, "b", SECOND), first);
  assert.notEqual(await register(MASTER, "a", practice.openaiKey), first);
  assert.notEqual(await register(foreign, "a", SECOND), first);
});

test("key bytes are wiped in place on success and on every failure, views included", async () => {
  const byok = libraryAt(practice, { providers: providersAt(practice, "", { maxRetries: 0 }) });
  const attempts: [string, string, object][] = [
    [practice.openaiKey, "stored", {}],
    ["practice-nobody-0123456789", "KEY_REJECTED", {}],
    ["practice-down-0123456789", "PROVIDER_UNAVAILABLE", {}],
    ["two words", "INVALID_ARGUMENT", {}],
    [practice.openaiKey, "UNKNOWN_PROVIDER", { provider: "nobody" }],
    [practice.openaiKey, "INVALID_ARGUMENT", { userId: "" }],
    [practice.openaiKey, "INVALID_ARGUMENT", { baseURL: "https://example.com" }],
  ];
  for (const [text, outcome, more] of attempts) {
    const around = Buffer.from(`<${text}>`);
    const apiKey = around.subarray(1, -1);
    const pending = byok.registerKey({ userId: "u", provider: "openai", apiKey, ...more });
    assert.ok(apiKey.every((byte) => byte === 0));
    assert.equal(`${around.subarray(0, 1)}${around.subarray(-1)}`, "<>");
    const seen = await pending.then(
      () => "stored",
      (error) => error.code,
    );
    assert.equal(seen, outcome, text);
  }
});

test("keys in a SqliteStore work after a restart, with their metadata and status", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "byok-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "keys.db");
  const first = libraryAt(practice, { store: new SqliteStore(path) });
  for (const provider of PROVIDERS) {
    const apiKey = keyOf(practice, provider);
    await first.registerKey({ userId: "u", provider, apiKey, metadata: { provider } });
  }
  const before = await first.listKeys({ userId: "u" });
  await first.close();
  const again = libraryAt(practice, { store: new SqliteStore(path) });
  const withoutUse = ({ lastUsedAt: _, ...info }: (typeof before)[number]) => info;
  assert.deepEqual((await again.listKeys({ userId: "u" })).map(withoutUse), before.map(withoutUse));
  for (const provider of PROVIDERS) {
    assert.match((await again.use("u").chat({ provider, prompt })).text, /Paris/);
  }
  await again.close();
});

test("a request goes to the preferred provider, else to the newest key", async () => {
  const store = new MemoryStore();
  const byok = libraryAt(practice, { store });
  for (const provider of ["gemini", "openai", "anthropic"] as const) {
    await byok.registerKey({ userId: "u", provider, apiKey: keyOf(practice, provider) });
    await new Promise((resolve) => setTimeout(resolve, 5)); // dates have milliseconds
  }
  const served = async (prefer: string[] | undefined, request: object = {}) =>
    (
      await libraryAt(practice, { store, prefer })
        .use("u")
        .chat({ prompt, ...request })
    ).provider;
  assert.equal(await served(undefined), "anthropic");
  assert.equal(await served(["openai", "gemini"]), "openai");
  assert.equal(await served(["groq", "gemini"]), "gemini");
  assert.equal(await served(["openai"], { provider: "gemini" }), "gemini");
  await byok.registerKey({
    userId: "u",
    provider: "gemini",
    apiKey: practice.geminiKey,
    label: "b",
  });
  assert.equal(await served(undefined), "gemini");
  assert.equal(await served(["openai"], { label: "b" }), "gemini");
});

test("an error of routing says what to call", async () => {
  const store = new MemoryStore();
  const mine = { type: "openai-compatible", baseURL: "https://llm.example.com/v1" } as const;
  const byok = libraryAt(practice, { store, providers: { ...providersAt(practice), mine } });
  const ask = (request: object = {}) => byok.use("u").chat({ prompt, ...request });
  await assert.rejects(ask(), failsWith("KEY_NOT_FOUND", /byok\.registerKey\(\{ userId, provider/));
  await assert.rejects(
    ask({ provider: "gemini" }),
    failsWith("KEY_NOT_FOUND", /no gemini key.*registerKey\(\{ userId, provider: "gemini"/),
  );
  await assert.rejects(ask({ provider: "openia" }), failsWith("UNKNOWN_PROVIDER", /openai/));
  const key = { userId: "u", provider: "mine", apiKey: "local", validate: "format" } as const;
  await byok.registerKey(key);
  await assert.rejects(
    ask({ label: "b" }),
    failsWith("KEY_NOT_FOUND", /with label "b".*registerKey/),
  );
  await assert.rejects(
    libraryAt(practice, { store }).use("u").chat({ prompt }),
    failsWith("CAPABILITY_UNSUPPORTED", /Providers that can: .*openai/),
  );
});
