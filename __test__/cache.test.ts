// The cache of sealed records, seen from an application: how often its store is asked, and what it is told
// of writes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { KeyRecord, KeyStore } from "../dist/index.js";
import { BYOK, MemoryStore } from "../dist/index.js";
import { failsWith, libraryAt, MASTER } from "./support/library.js";
import { type Practice, startPractice } from "./support/practice.js";

let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
});
after(() => {
  for (const stop of cleanups) stop();
});

const name = { userId: "u", provider: "openai" };
const prompt = "What is the capital of France?";

/** A store that counts how often it is read. */
function counted(store: KeyStore = new MemoryStore()) {
  const reads = { count: 0 };
  const counting: KeyStore = {
    get: (id) => store.get(id).finally(() => reads.count++),
    list: (o) => store.list(o).finally(() => reads.count++),
    set: (record) => store.set(record),
    delete: (id) => store.delete(id),
    replace: async (record, expected) => (await store.replace?.(record, expected)) === true,
  };
  return { store, counting, reads };
}

test("requests of one user read the store once while the cache's time lasts", async () => {
  const { counting, reads } = counted();
  const byok = libraryAt(practice, { store: counting, cache: { ttlMs: 60_000 } });
  await byok.registerKey({ ...name, apiKey: practice.openaiKey });
  const user = byok.use("u");
  for (let n = 0; n < 5; n++) assert.match((await user.chat({ prompt })).text, /Paris/);
  assert.equal(reads.count, 1);
  for (let n = 0; n < 5; n++) await user.chat({ provider: "openai", prompt });
  assert.equal(reads.count, 2);
});

test("without the option every request asks the store", async () => {
  const { counting, reads } = counted();
  const byok = libraryAt(practice, { store: counting });
  await byok.registerKey({ ...name, apiKey: practice.openaiKey });
  for (let n = 0; n < 3; n++) await byok.use("u").chat({ prompt });
  assert.equal(reads.count, 3);
});

test("writes through any BYOK of the process are seen at once, others when the time is up", async () => {
  const { store, counting } = counted();
  const cache = { ttlMs: 300, maxEntries: 10 };
  const byok = libraryAt(practice, { store: counting, cache });
  const other = libraryAt(practice, { store });
  await byok.registerKey({ ...name, apiKey: practice.openaiKey });
  await byok.use("u").chat({ prompt });

  await other.deleteKey(name);
  await assert.rejects(byok.use("u").chat({ prompt }), failsWith("KEY_NOT_FOUND"));
  await other.registerKey({ ...name, apiKey: practice.openaiKey });
  await byok.use("u").chat({ prompt });
  await byok.deleteUser({ userId: "u" });
  assert.deepEqual(await byok.listKeys({ userId: "u" }), []);

  await byok.registerKey({ ...name, apiKey: practice.openaiKey });
  await byok.use("u").chat({ prompt });
  // As another process does it.
  await store.delete({ namespace: "default", label: "default", ...name });
  const until = Date.now() + 10_000;
  let gone = false;
  while (!gone && Date.now() < until) {
    gone = (await byok.listKeys({ userId: "u" })).length === 0;
  }
  assert.ok(gone, "the deletion was never noticed");
});

test("a cached record is checked like any other: another user's does not open", async () => {
  const { store, counting } = counted();
  const byok = libraryAt(practice, { store: counting, cache: {} });
  await byok.registerKey({ ...name, apiKey: practice.openaiKey });
  await byok.registerKey({ ...name, userId: "v", apiKey: practice.openaiKey });
  const [own] = (await store.list({ namespace: "default", userId: "u" })) as [KeyRecord];
  await store.set({ ...own, userId: "v" });
  for (let n = 0; n < 2; n++) {
    await assert.rejects(byok.use("v").chat({ prompt }), failsWith("DECRYPT_FAILED"));
  }
});

test("limits that can't be are refused by their names", () => {
  for (const [cache, message] of [
    [{ ttlMs: 0 }, /cache: ttlMs|ttlMs must/],
    [{ maxEntries: 0 }, /maxEntries must/],
    [{ ttl: 5 }, /ttlMs/],
    [true, /cache/],
  ] as const) {
    const make = () => new BYOK({ masterKey: MASTER, cache: cache as never });
    assert.throws(make, failsWith("INVALID_ARGUMENT", message));
  }
});
