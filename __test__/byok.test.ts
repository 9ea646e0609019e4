// What BYOK checks before anything reaches native code, and what it hands over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import type { BYOKOptions } from "../dist/index.js";
import { BYOK, BYOKError, MemoryStore, SqliteStore } from "../dist/index.js";
import { FakeEngine, lastEngine, storeCalls } from "./fake-native.js";

const KEY = "sk-canary-0123456789";
const make = (options: object = {}) => new BYOK({ masterKey: "k".repeat(43), ...options });
const refused = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BYOKError, inspect(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test("a misspelt option is refused with the right name", () => {
  assert.throws(
    () => make({ masterkeys: {} }),
    refused("INVALID_ARGUMENT", /no option masterkeys.*masterKeys\?/),
  );
  assert.throws(
    () => make({ nameSpace: "x" }),
    refused("INVALID_ARGUMENT", /Did you mean namespace\?/),
  );
  assert.throws(
    () => make({ providers: { openai: { baseUrl: "x" } } }),
    refused("INVALID_ARGUMENT", /providers\.openai has no option baseUrl. Did you mean baseURL\?/),
  );
  assert.throws(() => make({ zzzzzzzz: 1 }), refused("INVALID_ARGUMENT", /It knows masterKey, /));
});

test("an option of the wrong kind is refused by its name", () => {
  const cases: [object, RegExp][] = [
    [{ namespace: 7 }, /namespace must be a string/],
    [{ namespace: "" }, /namespace must not be empty/],
    [{ namespace: "\ud800" }, /namespace must be well-formed/],
    [{ prefer: "openai" }, /prefer must be an array of strings/],
    [{ callbackTimeoutMs: 0 }, /callbackTimeoutMs must be a whole number of milliseconds/],
    [{ callbackTimeoutMs: Number.POSITIVE_INFINITY }, /callbackTimeoutMs/],
    [{ providers: { "Open AI": {} } }, /"Open AI" can't be a provider's name/],
    [{ providers: { openai: { maxRetries: -1 } } }, /maxRetries must be a whole number/],
    [{ providers: { mine: { type: "smtp", baseURL: "x" } } }, /type must be "openai-compatible"/],
    [{ providers: { mine: { type: "openai-compatible" } } }, /providers\.mine needs a baseURL/],
    [{ providers: { openai: { defaultModels: { chatt: "x" } } } }, /no such capability/],
    [{ http: { maxEventByte: 1 } }, /http has no option maxEventByte. Did you mean maxEventBytes/],
    [{ http: { maxResponseBytes: 0 } }, /maxResponseBytes must be a whole number of bytes/],
    [{ store: {} }, /store\.get must be a function/],
    [{ store: "memory" }, /store must be an object/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => make(options), refused("INVALID_ARGUMENT", message));
  }
  assert.throws(
    () => new BYOK(undefined as unknown as BYOKOptions),
    refused("INVALID_ARGUMENT", /object of options/),
  );
});

test("a missing master key says how to make one", () => {
  for (const masterKey of [undefined, null, "", 42]) {
    assert.throws(
      () => new BYOK({ masterKey: masterKey as unknown as string }),
      refused("INVALID_MASTER_KEY", /npx byok-ai keygen/),
    );
  }
});

test("masterKey and masterKeys exclude each other", () => {
  assert.throws(
    () => make({ masterKeys: { current: "a", previous: [] } }),
    refused("INVALID_ARGUMENT", /not both/),
  );
  assert.throws(
    () => new BYOK({ masterKeys: { current: undefined, previous: [] } }),
    refused("INVALID_MASTER_KEY", /masterKeys\.current is undefined/),
  );
  new BYOK({ masterKeys: { current: "new", previous: ["old", "older"] } });
  assert.deepEqual(lastEngine().masterKeys, [["new", ["old", "older"]]]);
});

test("a master key that native code refuses is thrown by the constructor", () => {
  const answer = { error: { code: "INVALID_MASTER_KEY", message: "weak", retryable: false } };
  const original = FakeEngine.prototype.setMasterKeys;
  FakeEngine.prototype.setMasterKeys = () => JSON.stringify(answer);
  try {
    assert.throws(() => make(), refused("INVALID_MASTER_KEY", /weak/));
  } finally {
    FakeEngine.prototype.setMasterKeys = original;
  }
});

test("a loaded master key is awaited by operations and wiped afterwards", async () => {
  const loaded = Buffer.from("loaded master key");
  const previous = Buffer.from("previous");
  const byok = new BYOK({ masterKeys: { current: async () => loaded, previous: [previous] } });
  assert.ok(
    previous.every((byte) => byte === 0),
    "the caller's array is wiped at once",
  );
  const engine = lastEngine();
  engine.answer = () => ({ ok: true });
  assert.equal(await byok.hasKey({ userId: "u", provider: "openai" }), true);
  assert.deepEqual(engine.masterKeys, [["loaded master key", ["previous"]]]);
  assert.ok(loaded.every((byte) => byte === 0));
  await byok.hasKey({ userId: "u", provider: "openai" });
  assert.equal(engine.masterKeys.length, 1);
});

test("a failed load is reported by each operation with its cause, and tried again by the next", async () => {
  const outage = new Error("KMS is down");
  let attempts = 0;
  const byok = new BYOK({
    masterKey: async () => {
      attempts++;
      if (attempts < 3) throw outage;
      return Buffer.from("third time");
    },
  });
  const engine = lastEngine();
  engine.answer = () => ({ ok: [] });
  const [first, second] = [byok.listKeys({ userId: "u" }), byok.listKeys({ userId: "v" })];
  for (const attempt of [first, second, byok.listKeys({ userId: "w" })]) {
    await assert.rejects(attempt, (error: BYOKError) => {
      assert.equal(error.code, "INVALID_MASTER_KEY");
      assert.equal(error.cause, outage);
      return true;
    });
  }
  assert.equal(attempts, 1, "they shared one attempt");
  await assert.rejects(byok.listKeys({ userId: "u" }));
  assert.deepEqual(await byok.listKeys({ userId: "u" }), []);
  assert.equal(attempts, 3);
  // A loader that fails with nobody waiting must not become an unhandled rejection either.
  new BYOK({ masterKey: () => Promise.reject(outage) });
  await new Promise((resolve) => setImmediate(resolve));
});

test("the store is handed over natively, or as callbacks when it is the application's", async () => {
  make({ store: new MemoryStore() });
  assert.ok(lastEngine().store !== null && lastEngine().callbacks === null);
  make();
  assert.ok(lastEngine().store !== null, "the default is a MemoryStore");

  class Logging extends MemoryStore {
    override async get(): Promise<null> {
      return null;
    }
  }
  make({ store: new Logging() });
  assert.equal(lastEngine().store, null, "an overridden method must not be bypassed");
  assert.deepEqual(lastEngine().callbacks?.has, [
    "get",
    "set",
    "delete",
    "list",
    "replace",
    "replaceMany",
    "scan",
    "close",
  ]);
});

test("production without a store warns once", () => {
  const warnings: string[] = [];
  const original = process.emitWarning;
  const environment = process.env["NODE_ENV"];
  process.emitWarning = ((message: string) => warnings.push(message)) as typeof process.emitWarning;
  process.env["NODE_ENV"] = "production";
  try {
    make();
    make();
    make({ store: new MemoryStore() });
  } finally {
    process.emitWarning = original;
    if (environment === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = environment;
  }
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /memory only/);
});

test("native stores forward their methods and report what could not be opened", async () => {
  const store = new SqliteStore("keys.db");
  assert.equal(store.path, "keys.db");
  assert.equal(new SqliteStore(new URL("file:///tmp/keys.db")).path, "/tmp/keys.db");
  assert.deepEqual(await store.list({ namespace: "n", userId: "u" }), []);
  assert.deepEqual(storeCalls.at(-1), ["list", { namespace: "n", userId: "u" }]);
  assert.throws(() => new SqliteStore("/forbidden"), refused("STORE_ERROR", /can't open/));
  assert.throws(() => new SqliteStore(""), refused("INVALID_ARGUMENT", /path/));
});

test("a key goes over as bytes and the caller's array is wiped", async () => {
  const byok = make();
  const engine = lastEngine();
  engine.answer = () => ({ ok: { hint: "sk-...6789" } });
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: KEY, label: "work" });
  const [call] = engine.calls;
  assert.deepEqual(call?.args, { userId: "u", provider: "openai", label: "work" });
  assert.equal(Buffer.from(call?.bytes[0] ?? []).toString(), KEY);

  const bytes = Buffer.from(KEY);
  const pending = byok.registerKey({ userId: "u", provider: "openai", apiKey: bytes });
  assert.ok(
    bytes.every((byte) => byte === 0),
    "wiped before the call returns",
  );
  await pending;
  assert.equal(Buffer.from(engine.calls[1]?.bytes[0] ?? []).toString(), KEY);

  await byok.registerKey({
    userId: "u",
    provider: "azure-openai",
    apiKey: { apiKey: KEY, resource: "r" },
  });
  assert.equal(engine.calls[2]?.args["hasFields"], true);
  assert.deepEqual(JSON.parse(Buffer.from(engine.calls[2]?.bytes[0] ?? []).toString()), {
    apiKey: KEY,
    resource: "r",
  });
});

test("key bytes are wiped whatever fails, and while a master key is loading", async () => {
  const byok = make();
  const attempts: object[] = [
    { userId: 1, provider: "openai" },
    { userId: "u", provider: "openai", misspelt: true },
    { userId: "u", provider: "openai", signal: AbortSignal.abort() },
    { userId: "u", provider: "openai", metadata: { big: 1n } },
  ];
  for (const attempt of attempts) {
    const apiKey = Buffer.from(KEY);
    await assert.rejects(byok.registerKey({ ...attempt, apiKey } as never));
    assert.ok(
      apiKey.every((byte) => byte === 0),
      inspect(attempt),
    );
  }

  let release = (_: Uint8Array) => {};
  const loading = new BYOK({ masterKey: () => new Promise((resolve) => (release = resolve)) });
  const engine = lastEngine();
  engine.answer = () => ({ ok: {} });
  const apiKey = Buffer.from(KEY);
  const pending = loading.registerKey({ userId: "u", provider: "openai", apiKey });
  assert.ok(apiKey.every((byte) => byte === 0));
  assert.equal(engine.calls.length, 0);
  release(Buffer.from("m"));
  await pending;
  assert.equal(Buffer.from(engine.calls[0]?.bytes[0] ?? []).toString(), KEY);
});

test("arguments of operations are checked", async () => {
  const byok = make();
  await assert.rejects(
    byok.hasKey({ userId: "u" } as never),
    refused("INVALID_ARGUMENT", /hasKey\(\) needs provider/),
  );
  await assert.rejects(
    byok.listKeys({ userId: 1 } as never),
    refused("INVALID_ARGUMENT", /1 is not "1"/),
  );
  await assert.rejects(
    byok.deleteUser({ user: "u" } as never),
    refused("INVALID_ARGUMENT", /no option user. Did you mean userId/),
  );
  await assert.rejects(
    byok.verifyKey({ userId: "u", provider: "openai", signal: {} } as never),
    refused("INVALID_ARGUMENT", /AbortSignal/),
  );
  await assert.rejects(
    byok.registerKey(undefined as never),
    refused("INVALID_ARGUMENT", /object of options/),
  );
  assert.throws(() => byok.use(1 as never), refused("INVALID_ARGUMENT", /must be a string/));
  assert.throws(
    () => byok.use("u", { modle: "x" } as never),
    refused("INVALID_ARGUMENT", /Did you mean model\?/),
  );
  assert.equal(lastEngine().calls.length, 0);
});

test("closing happens once, and operations afterwards fail with CLOSED", async () => {
  const byok = make();
  const engine = lastEngine();
  engine.answer = () => ({ ok: null });
  await Promise.all([byok.close(), byok.close()]);
  await byok[Symbol.asyncDispose]();
  assert.deepEqual(
    engine.calls.map((call) => call.op),
    ["close"],
  );
  await assert.rejects(byok.listKeys({ userId: "u" }), refused("CLOSED", /closed/));
  await assert.rejects(byok.use("u").chat({ prompt: "x" }), refused("CLOSED", /closed/));
  await assert.rejects(
    byok.use("u").chatStream({ prompt: "x" }).result,
    refused("CLOSED", /closed/),
  );
});

test("no object shows a key or an inner part, however it is looked at", () => {
  const byok = make({ namespace: "shop" });
  const user = byok.use("user_1", { model: "m" });
  const everything = [
    byok,
    user,
    new MemoryStore(),
    new SqliteStore("k.db"),
    user.chatStream({ prompt: "secret prompt" }),
  ];
  const views = everything.map((item) =>
    inspect(item, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
  );
  assert.deepEqual(views, [
    "BYOK { namespace: 'shop', state: 'open' }",
    "User { userId: 'user_1' }",
    "MemoryStore {}",
    "SqliteStore { path: 'k.db' }",
    "ChatStream {}",
  ]);
  assert.deepEqual(
    everything.map((item) => JSON.stringify(item)),
    ["{}", "{}", "{}", '{"path":"k.db"}', "{}"],
  );
  assert.deepEqual(Object.keys(structuredClone(byok)), []);
});
