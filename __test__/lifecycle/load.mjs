// Much at once, failures that nobody looks at, and panics in native code.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { failure, jsStore, make, prompt, runCase, sleep, withKey } from "./setup.mjs";

const require = createRequire(import.meta.url);

/** The addon's own objects, as `lib/` sees them. */
function rawEngine() {
  const { native } = require("../../dist/native.js");
  const { NativeEngine, NativeStore } = native();
  const config = { namespace: "n", providers: {}, prefer: [], userAgent: "test" };
  const engine = new NativeEngine(JSON.stringify(config), NativeStore.memory(), null);
  engine.setMasterKeys(Buffer.alloc(32, "a fine master key \x01\x02"), []);
  return engine;
}

async function thousand(options) {
  const { user } = await withKey(options);
  const chats = Array.from({ length: 1000 }, () => user.chat({ prompt }));
  const texts = (await Promise.all(chats)).map(({ text }) => text);
  console.log(texts.length, new Set(texts).size);
}

await runCase({
  "a thousand calls, native store": () => thousand(),
  "a thousand calls, JavaScript store": () => thousand({ store: jsStore() }),
  async "a thousand streams"() {
    const { user } = await withKey();
    const streams = Array.from({ length: 1000 }, () => user.chatStream({ prompt }).result);
    const texts = (await Promise.all(streams)).map(({ text }) => text);
    console.log(texts.length, new Set(texts).size);
  },
  async "failures that nobody looks at"() {
    const { user } = await withKey();
    const signal = AbortSignal.abort(new Error("gone"));
    user.chatStream({ prompt, signal });
    user.chatStream({ prompt, misspelt: true });
    user.chatStream({ prompt, model: "no-such-model" });
    // Asked for and dropped.
    void user.chatStream({ prompt, model: "no-such-model" }).result;
    user.chatStream({ prompt, model: "no-such-model" }).toResponse();
    user.chatStream({ prompt, model: "no-such-model" }).toReadableStream();
    user.chatStream({ prompt }).cancel();
    const { user: cut } = await withKey({ fault: "/fault/reset-mid" });
    void cut.chatStream({ prompt }).result;
    const { user: failing } = await withKey({
      store: jsStore(() => Promise.reject(new Error("down"))),
    });
    void failing.chatStream({ prompt }).result;
    const unloadable = make({ masterKey: () => Promise.reject(new Error("no KMS")) });
    void unloadable.use("u").chatStream({ prompt }).result;
    globalThis.gc();
    await sleep(500);
    console.log("quiet");
  },
  async "a panic in a call"() {
    const engine = rawEngine();
    const { error } = JSON.parse(await engine.call("panic", "{}", null, 0));
    const { error: again } = JSON.parse(await engine.call("panic", "{}", null, 1));
    assert.deepEqual(error, again);
    console.log(error.code, error.message);
    assert.deepEqual(JSON.parse(await engine.call("listKeys", '{"userId":"u"}', null, 0)), {
      ok: [],
    });
  },
  async "a panic in a stream"() {
    const stream = rawEngine().open("panic", "{}", null);
    const { error } = JSON.parse(await stream.next());
    console.log(error.code, error.message);
  },
  async "a panic in a synchronous export"() {
    const engine = rawEngine();
    const { unwrap } = require("../../dist/errors.js");
    const { code, message } = await failure(
      (async () => unwrap(() => engine.open("panic at once", "{}", null)))(),
    );
    console.log(code, message);
    assert.deepEqual(JSON.parse(await engine.call("listKeys", '{"userId":"u"}', null, 0)), {
      ok: [],
    });
  },
});
