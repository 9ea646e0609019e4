// What nobody holds any more can be collected, even while native code or a signal holds callbacks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { BYOK, type KeyStore } from "../dist/index.js";
import { FakeStream, lastEngine } from "./fake-native.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const COUNT = 200;

async function collected(make: () => object): Promise<number> {
  let count = 0;
  const registry = new FinalizationRegistry(() => count++);
  for (let n = 0; n < COUNT; n++) registry.register(make(), undefined);
  for (let round = 0; round < 20 && count < COUNT - 1; round++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return count;
}

test("a BYOK is collected although native code still holds its store's callbacks", async () => {
  const store: KeyStore = {
    get: async () => null,
    set: async () => {},
    delete: async () => false,
    list: async () => [],
  };
  // The fake keeps every engine, and with it every callback object.
  const count = await collected(() => new BYOK({ masterKey: "k".repeat(43), store }));
  assert.ok(count >= COUNT - 1, `${count} of ${COUNT}`);
});

test("a stream that nobody reads is collected although its signal lives on", async () => {
  const user = new BYOK({ masterKey: "k".repeat(43) }).use("u");
  const { signal } = new AbortController();
  const natives = await collected(() => {
    const native = new FakeStream();
    lastEngine().nextStream = native;
    user.chatStream({ prompt: "x", signal });
    lastEngine().nextStream = new FakeStream();
    return native;
  });
  assert.ok(natives >= COUNT - 1, `${natives} of ${COUNT}`);
});

test("users hold no more than their engine", async () => {
  const byok = new BYOK({ masterKey: "k".repeat(43) });
  const count = await collected(() => byok.use("u"));
  assert.ok(count >= COUNT - 1, `${count} of ${COUNT}`);
});
