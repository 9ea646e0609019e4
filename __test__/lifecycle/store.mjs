// Stores that misbehave: each case ends in an error with the right code, and the process goes on.

import assert from "node:assert/strict";

import { failure, jsStore, prompt, runCase, sleep, withKey } from "./setup.mjs";

const id = { userId: "u", provider: "openai" };

/** A BYOK over a store of which some methods are replaced once a key is in it. */
async function broken(methods, options) {
  const store = jsStore();
  const setup = await withKey({ store, ...options });
  const sound = { ...store };
  // The methods are looked up on each call.
  Object.assign(store, methods);
  return { ...setup, repair: () => Object.assign(store, sound) };
}

/** Every method fails with `code`, and `cause` is handed on as it is. */
async function allFail(answer, code, cause) {
  const all = { get: answer, set: answer, delete: answer, list: answer };
  const { byok, user, repair } = await broken(all);
  const errors = await Promise.all([
    failure(byok.hasKey(id)),
    failure(byok.deleteKey(id)),
    failure(byok.listKeys({ userId: "u" })),
    failure(user.chat({ prompt })),
    failure(user.chatStream({ prompt }).result),
    failure(byok.registerKey({ ...id, apiKey: "sk-practice-other-0123", validate: "format" })),
  ]);
  for (const error of errors) {
    assert.equal(error.code, code, error.message);
    assert.equal(error.cause, cause);
  }
  repair();
  assert.match((await user.chat({ prompt })).text, /Paris/);
}

await runCase({
  async "never settles"() {
    const never = () => new Promise(() => {});
    const all = { get: never, set: never, delete: never, list: never };
    const { byok, user, repair } = await broken(all, { callbackTimeoutMs: 50 });
    assert.equal((await failure(user.chat({ prompt }))).code, "STORE_TIMEOUT");
    assert.equal((await failure(user.chatStream({ prompt }).result)).code, "STORE_TIMEOUT");
    assert.equal((await failure(byok.listKeys({ userId: "u" }))).code, "STORE_TIMEOUT");
    repair();
    assert.match((await user.chat({ prompt })).text, /Paris/);
  },
  async "never settles, at close()"() {
    const store = { ...jsStore(), close: () => new Promise(() => {}) };
    const { byok } = await withKey({ store, callbackTimeoutMs: 50 });
    assert.equal((await failure(byok.close())).code, "STORE_TIMEOUT");
  },
  async "settles late"() {
    let settled = 0;
    const late = async () => {
      await sleep(300);
      settled++;
      return [];
    };
    const lateFailure = async () => {
      await late();
      throw new Error("too late to matter");
    };
    const methods = { list: late, delete: lateFailure };
    const { byok, repair } = await broken(methods, { callbackTimeoutMs: 50 });
    assert.equal((await failure(byok.listKeys({ userId: "u" }))).code, "STORE_TIMEOUT");
    assert.equal((await failure(byok.deleteKey(id))).code, "STORE_TIMEOUT");
    repair();
    await sleep(600);
    assert.equal(settled, 2);
    assert.equal((await byok.listKeys({ userId: "u" })).length, 1);
  },
  async "rejects with anything"() {
    const hostile = {
      get message() {
        throw new Error("a getter");
      },
      toString() {
        throw new Error("toString");
      },
      toJSON() {
        throw new Error("toJSON");
      },
    };
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    for (const thrown of [new Error("down"), null, "text", 7, 7n, Symbol("s"), hostile]) {
      await allFail(() => Promise.reject(thrown), "STORE_ERROR", thrown);
    }
    const { byok } = await broken({ list: () => Promise.reject(undefined) });
    assert.equal((await failure(byok.listKeys({ userId: "u" }))).code, "STORE_ERROR");
    const proxied = await broken({ list: () => Promise.reject(revoked.proxy) });
    assert.equal((await failure(proxied.byok.listKeys({ userId: "u" }))).code, "STORE_ERROR");
  },
  async "throws synchronously"() {
    const thrown = new TypeError("thrown, not rejected");
    const throwing = () => {
      throw thrown;
    };
    await allFail(throwing, "STORE_ERROR", thrown);
  },
  async "gives thenables"() {
    const thenable = (then) => () => ({ then });
    const thrown = new Error("then failed");
    await allFail(
      thenable((_, reject) => reject(thrown)),
      "STORE_ERROR",
      thrown,
    );
    await allFail(
      thenable(() => {
        throw thrown;
      }),
      "STORE_ERROR",
      thrown,
    );
    const twice = thenable((resolve) => {
      resolve([]);
      resolve(7);
      throw thrown;
    });
    const { byok } = await broken({ list: twice });
    assert.deepEqual(await byok.listKeys({ userId: "u" }), []);
  },
  async "gives other types"() {
    const cyclic = {};
    cyclic.self = cyclic;
    for (const value of [7, 7n, "text", true, Symbol("s"), () => {}, cyclic]) {
      const answer = async () => value;
      const { byok, user } = await broken({ get: answer, list: answer, delete: answer });
      const codes = ["STORE_ERROR", "BAD_RECORD"];
      assert.ok(codes.includes((await failure(user.chat({ prompt }))).code));
      assert.ok(codes.includes((await failure(byok.listKeys({ userId: "u" }))).code));
      if (value !== true)
        assert.equal((await failure(byok.deleteKey({ ...id }))).code, "STORE_ERROR");
    }
    const { byok } = await broken({ list: async () => [{ ...cyclic }] });
    assert.equal((await failure(byok.listKeys({ userId: "u" }))).code, "BAD_RECORD");
  },
  async "gives metadata that is no JSON"() {
    const store = jsStore();
    const { byok } = await withKey({ store });
    const [record] = await store.list({ namespace: "default", userId: "u" });
    const metadata = {};
    metadata.self = metadata;
    store.list = async () => [{ ...record, metadata }];
    const error = await failure(byok.listKeys({ userId: "u" }));
    assert.equal(error.code, "STORE_ERROR");
    assert.ok(error.cause instanceof TypeError);
  },
});
