// What the library makes of stores that lie, fail or hang, of master keys that are not the right one,
// and of endpoints that users bring: an error with its code, and never a key.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BYOKError, KeyId, KeyRecord, KeyStore } from "../dist/index.js";
import { failsWith, libraryAt, MASTER } from "./support/library.js";
import { type Practice, requestsOf, startPractice } from "./support/practice.js";

const OTHER_MASTER = Buffer.alloc(32, "another master key \x03\x04").toString("base64");
const prompt = "What is the capital of France?";
const name = { userId: "u", provider: "openai" };
let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
});
after(() => {
  for (const stop of cleanups) stop();
});

const idOf = (id: KeyId) => JSON.stringify([id.namespace, id.userId, id.provider, id.label]);

class MapStore implements KeyStore {
  readonly records = new Map<string, KeyRecord>();
  get = async (id: KeyId) => this.records.get(idOf(id));
  set = async (record: KeyRecord) => void this.records.set(idOf(record), record);
  delete = async (id: KeyId) => this.records.delete(idOf(id));
  list = async ({ userId }: { userId: string }) =>
    [...this.records.values()].filter((record) => record.userId === userId);
}

/** A store that holds one OpenAI key each of u and v, and a Gemini key of u. */
async function filled() {
  const store = new MapStore();
  const byok = libraryAt(practice, { store });
  await byok.registerKey({ ...name, apiKey: practice.openaiKey });
  await byok.registerKey({ ...name, userId: "v", apiKey: practice.openaiKey });
  await byok.registerKey({ ...name, provider: "gemini", apiKey: practice.geminiKey });
  const record = (userId: string, provider: string): KeyRecord => {
    const found = store.records.get(
      idOf({ namespace: "default", userId, provider, label: "default" }),
    );
    assert.ok(found);
    return found;
  };
  await fetch(`${practice.origin}/control/requests?clear=1`);
  return { store, byok, record };
}

test("a record moved to another user, provider, label or namespace does not open", async () => {
  const { store, byok, record } = await filled();
  const own = record("u", "openai");
  const moved: [KeyId, KeyRecord][] = [
    [own, record("v", "openai")],
    [own, record("u", "gemini")],
    [record("u", "gemini"), own],
    [{ ...own, label: "work" }, own],
    [{ ...own, namespace: "other" }, own],
  ];
  for (const [target, source] of moved) {
    const lying = new MapStore();
    const { namespace, userId, provider, label } = target;
    await lying.set({ ...source, namespace, userId, provider, label });
    const user = libraryAt(practice, { store: lying, namespace }).use(userId);
    await assert.rejects(user.chat({ provider, label, prompt }), failsWith("DECRYPT_FAILED"));
    await assert.rejects(user.chat({ prompt }), failsWith("DECRYPT_FAILED"));
    await assert.rejects(user.chatStream({ prompt }).result, failsWith("DECRYPT_FAILED"));
  }
  assert.deepEqual(await requestsOf(practice), [], "no key went anywhere");
  assert.equal(store.records.size, 3);
  assert.match((await byok.use("u").chat({ prompt })).text, /Paris/);
});

test("a store that hands out another user's record is caught by its id", async () => {
  const { store, byok, record } = await filled();
  const foreign = record("v", "openai");
  store.get = async () => foreign;
  store.list = async () => [foreign];
  await assert.rejects(byok.use("u").chat({ provider: "openai", prompt }), failsWith("BAD_RECORD"));
  await assert.rejects(byok.use("u").chat({ prompt }), failsWith("BAD_RECORD", /another user/));
  await assert.rejects(byok.listKeys({ userId: "u" }), failsWith("BAD_RECORD"));
  assert.deepEqual(await requestsOf(practice), []);
});

test("each edited character of a sealed record is refused before anything is sent", async () => {
  const { byok, record } = await filled();
  const own = record("u", "openai");
  const { sealed } = own;
  const lying = new MapStore();
  const user = libraryAt(practice, { store: lying }).use("u");
  const codes = new Map<string, number>();
  for (let at = 0; at < sealed.length; at++) {
    // The highest bit of a base64url character, which the last one uses as well.
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const index = alphabet.indexOf(sealed.charAt(at));
    const edited = alphabet.charAt(index < 0 ? 0 : index ^ 32);
    await lying.set({ ...own, sealed: `${sealed.slice(0, at)}${edited}${sealed.slice(at + 1)}` });
    const error = await user.chat({ prompt }).then(
      () => assert.fail(`an edit at ${at} was not noticed`),
      (reason: BYOKError) => reason,
    );
    codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
  }
  assert.deepEqual([...codes.keys()].sort(), [
    "BAD_RECORD",
    "DECRYPT_FAILED",
    "UNKNOWN_MASTER_KEY",
  ]);
  assert.ok((codes.get("DECRYPT_FAILED") ?? 0) > 150, JSON.stringify([...codes]));
  for (const wrong of [
    "",
    "byok1.",
    "byok2.AAAA",
    sealed.slice(0, -1),
    `${sealed}A`,
    `${sealed}=`,
  ]) {
    await lying.set({ ...own, sealed: wrong });
    await assert.rejects(user.chat({ prompt }), (error: BYOKError) =>
      ["BAD_RECORD", "DECRYPT_FAILED"].includes(error.code),
    );
  }
  assert.deepEqual(await requestsOf(practice), []);
  assert.match((await byok.use("u").chat({ prompt })).text, /Paris/);
});

test("whatever a store throws becomes STORE_ERROR with it as the cause, in each operation", async () => {
  const { store, byok } = await filled();
  for (const thrown of [new Error("database is down"), "a text", undefined, { code: 5 }]) {
    const failing = async () => {
      throw thrown;
    };
    Object.assign(store, { get: failing, set: failing, delete: failing, list: failing });
    const operations: [string, () => Promise<unknown>][] = [
      ["chat", () => byok.use("u").chat({ prompt })],
      ["chatStream", () => byok.use("u").chatStream({ prompt }).result],
      ["registerKey", () => byok.registerKey({ ...name, apiKey: practice.openaiKey })],
      ["hasKey", () => byok.hasKey(name)],
      ["verifyKey", () => byok.verifyKey(name)],
      ["deleteKey", () => byok.deleteKey(name)],
      ["listKeys", () => byok.listKeys({ userId: "u" })],
      ["deleteUser", () => byok.deleteUser({ userId: "u" })],
    ];
    for (const [operation, run] of operations) {
      await assert.rejects(run(), (error: BYOKError) => {
        assert.equal(error.cause, thrown, operation);
        return failsWith("STORE_ERROR", /cause/)(error);
      });
    }
  }
});

test("a store method that throws at once or is no promise does no harm", async () => {
  const { store, byok } = await filled();
  const outage = new Error("at once");
  store.get = () => {
    throw outage;
  };
  await assert.rejects(byok.hasKey(name), { code: "STORE_ERROR", cause: outage });
  store.get = (() => null) as never;
  assert.equal(await byok.hasKey(name), false);
});

test("a store that never answers is STORE_TIMEOUT, and the next call works", async () => {
  const { store } = await filled();
  const byok = libraryAt(practice, { store, callbackTimeoutMs: 100 });
  const { get, list } = store;
  store.get = store.list = () => new Promise<never>(() => {});
  await assert.rejects(byok.hasKey(name), failsWith("STORE_TIMEOUT"));
  await assert.rejects(byok.use("u").chat({ prompt }), failsWith("STORE_TIMEOUT"));
  Object.assign(store, { get, list });
  assert.match((await byok.use("u").chat({ prompt })).text, /Paris/);
});

test("junk from a store is refused, and the message names what is wrong without showing it", async () => {
  const { store, byok, record } = await filled();
  const own = record("u", "openai");
  const junk: [unknown, string][] = [
    [5, "BAD_RECORD"],
    ["byok1.AAAA", "BAD_RECORD"],
    [[], "BAD_RECORD"],
    [{}, "BAD_RECORD"],
    [{ ...own, sealed: Buffer.from(own.sealed) }, "BAD_RECORD"],
    [{ ...own, sealed: "secret junk" }, "BAD_RECORD"],
    [{ ...own, status: "fine" }, "BAD_RECORD"],
    [{ ...own, createdAt: 5 }, "BAD_RECORD"],
    [{ ...own, metadata: "text" }, "BAD_RECORD"],
  ];
  for (const [value, code] of junk) {
    store.get = async () => value as KeyRecord;
    const failed = byok.use("u").chat({ provider: "openai", prompt });
    await assert.rejects(failed, (error: BYOKError) => {
      assert.doesNotMatch(error.message, /secret junk/);
      return failsWith(code)(error);
    });
  }
  for (const answer of [null, 5, "text", { length: 1 }]) {
    store.list = async () => answer as never;
    await assert.rejects(byok.listKeys({ userId: "u" }), failsWith("STORE_ERROR", /array/));
  }
  store.delete = async () => "yes" as never;
  await assert.rejects(byok.deleteKey(name), failsWith("STORE_ERROR", /true/));
});

test("a record under an unknown master key is told apart, and previous keys open it", async () => {
  const { store } = await filled();
  const wrong = libraryAt(practice, { store, masterKey: OTHER_MASTER });
  await assert.rejects(
    wrong.use("u").chat({ prompt }),
    failsWith("UNKNOWN_MASTER_KEY", /previous/),
  );
  await assert.rejects(wrong.verifyKey(name), failsWith("UNKNOWN_MASTER_KEY"));
  assert.equal((await wrong.listKeys({ userId: "u" })).length, 2, "metadata needs no key");
  const masterKeys = { current: OTHER_MASTER, previous: [MASTER] };
  const rotated = libraryAt(practice, { store, masterKeys });
  assert.match((await rotated.use("u").chat({ prompt })).text, /Paris/);
  await rotated.registerKey({ ...name, apiKey: practice.openaiKey });
  assert.match((await wrong.use("u").chat({ provider: "openai", prompt })).text, /Paris/);
  const old = libraryAt(practice, { store });
  const oldChat = old.use("u").chat({ provider: "openai", prompt });
  await assert.rejects(oldChat, failsWith("UNKNOWN_MASTER_KEY"));
});

test("a user's own endpoint needs allowUserBaseURL, and a private one allowPrivateNetwork too", async () => {
  const baseURL = `${practice.origin}/openai/v1`;
  const apiKey = practice.openaiKey;
  const at = (openai: object) => libraryAt(practice, { providers: { openai } });
  await assert.rejects(
    at({}).registerKey({ ...name, apiKey, baseURL }),
    failsWith("INVALID_ARGUMENT", /allowUserBaseURL/),
  );
  await fetch(`${practice.origin}/control/requests?clear=1`);
  const open = at({ allowUserBaseURL: true });
  const port = new URL(practice.origin).port;
  for (const host of [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "169.254.169.254",
    "10.0.0.1",
    "2130706433",
  ]) {
    for (const scheme of ["http", "https"]) {
      const own = `${scheme}://${host}:${port}/openai/v1`;
      const attempt = open.registerKey({ ...name, apiKey, baseURL: own, timeoutMs: 5000 });
      await assert.rejects(attempt, failsWith("INVALID_ARGUMENT"), own);
    }
  }
  assert.equal(await open.hasKey(name), false);
  assert.deepEqual(await requestsOf(practice), [], "nothing was connected to");

  const both = at({
    allowUserBaseURL: true,
    allowPrivateNetwork: true,
    baseURL: "http://127.0.0.1:9",
  });
  await both.registerKey({ ...name, apiKey, baseURL });
  assert.match((await both.use("u").chat({ prompt })).text, /Paris/);
  const keys = JSON.stringify(await both.listKeys({ userId: "u" }));
  assert.ok(!keys.includes(port), "the endpoint is sealed with the key");
});

test("an endpoint stored without a check is refused again when it is used", async () => {
  const store = new MapStore();
  const apiKey = practice.openaiKey;
  const lenient = { openai: { allowUserBaseURL: true, allowPrivateNetwork: true } };
  const first = libraryAt(practice, { store, providers: lenient });
  const baseURL = `${practice.origin}/openai/v1`;
  await first.registerKey({ ...name, apiKey, baseURL, validate: "format" });
  await fetch(`${practice.origin}/control/requests?clear=1`);
  const strict = libraryAt(practice, { store, providers: { openai: { allowUserBaseURL: true } } });
  await assert.rejects(strict.use("u").chat({ prompt }), failsWith("INVALID_ARGUMENT", /public/));
  assert.deepEqual(await requestsOf(practice), []);
});
