// The rotation of master keys as applications see it: options, progress, signals, reports, stores that
// lack something, and rows that somebody edited in the database itself.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Pool } from "pg";
import {
  BYOK,
  type KeyRecord,
  type KeyStore,
  MemoryStore,
  type RewrapReport,
} from "../dist/index.js";
import { PostgresStore } from "../dist/stores/postgres.js";
import { failsWith } from "./support/library.js";

const newKey = () => randomBytes(32).toString("base64");
const [OLD, NEW, OTHER] = [newKey(), newKey(), newKey()];

async function fill(store: KeyStore, count: number, masterKey = OLD): Promise<void> {
  const byok = new BYOK({ masterKey, store });
  for (let user = 0; user < count; user++) await register(byok, `user_${user}`);
}

const register = (byok: BYOK, userId: string) =>
  byok.registerKey({ userId, provider: "openai", apiKey: `sk-${userId}`, validate: "format" });

const rotating = (store: KeyStore) =>
  new BYOK({ masterKeys: { current: NEW, previous: [OLD] }, store });

/** What an application writes over its own database: a Map, and as little as rotation needs. */
function mapStore(records = new Map<string, KeyRecord>()) {
  const name = (
    id: KeyRecord | { namespace: string; userId: string; provider: string; label: string },
  ) => JSON.stringify([id.namespace, id.userId, id.provider, id.label]);
  return {
    records,
    async get(id) {
      return records.get(name(id));
    },
    async set(record) {
      records.set(name(record), record);
    },
    async delete(id) {
      return records.delete(name(id));
    },
    async list(o) {
      return [...records.values()].filter((record) => record.userId === o.userId);
    },
    async replace(record, expected) {
      if (records.get(name(record))?.sealed !== expected.sealed) return false;
      records.set(name(record), record);
      return true;
    },
    async scan({ cursor = "", limit, notPrefix }) {
      const rest = [...records.keys()].sort().filter((key) => key > cursor);
      const page = rest.slice(0, limit);
      const found = page.map((key) => records.get(key) as KeyRecord);
      const kept = found.filter(({ sealed }) => !notPrefix || !sealed.startsWith(notPrefix));
      return rest.length > limit
        ? { records: kept, cursor: page.at(-1) ?? null }
        : { records: kept };
    },
  } satisfies KeyStore & { records: Map<string, KeyRecord> };
}

for (const [kind, make] of Object.entries({
  MemoryStore: () => new MemoryStore(),
  "a Map": mapStore,
})) {
  test(`${kind}: all records move, and the previous key is no longer needed`, async () => {
    const store = make();
    await fill(store, 60);
    const byok = rotating(store);
    const before = await byok.checkKeys();
    assert.deepEqual(
      before.keys.map(({ role, records }) => [role, records]),
      [
        ["current", 0],
        ["previous", 60],
      ],
    );
    const progress: number[] = [];
    const report = await byok.rewrapKeys({
      batchSize: 7,
      concurrency: 2,
      onProgress: ({ done }) => progress.push(done),
    });
    assert.deepEqual({ ...report, durationMs: 0 }, {
      rewrapped: 60,
      skipped: 0,
      failed: 0,
      failures: [],
      needed: [],
      previousKeysNeeded: false,
      durationMs: 0,
    } satisfies RewrapReport);
    assert.ok(Number.isInteger(report.durationMs));
    assert.equal(progress.at(-1), 60);
    assert.deepEqual(
      progress,
      progress.toSorted((a, b) => a - b),
    );

    const alone = new BYOK({ masterKey: NEW, store });
    const after = await alone.checkKeys({ open: true });
    assert.deepEqual([after.records, after.failed], [60, 0]);
    assert.deepEqual(
      after.keys.map(({ role, records }) => [role, records]),
      [["current", 60]],
    );
    const [info] = await alone.listKeys({ userId: "user_3" });
    const again = await register(alone, "user_3");
    assert.equal(info?.fingerprint, again.fingerprint, "equal keys have equal fingerprints again");
  });
}

test("master keys may come from functions, as from a KMS, each called once", async () => {
  const store = new MemoryStore();
  await fill(store, 10);
  let calls = 0;
  const load = (key: string) => async () => {
    calls += 1;
    return Uint8Array.from(Buffer.from(key, "base64"));
  };
  const byok = new BYOK({ masterKeys: { current: load(NEW), previous: [load(OLD)] }, store });
  assert.equal((await byok.rewrapKeys()).rewrapped, 10);
  assert.equal((await byok.checkKeys({ open: true })).failed, 0);
  assert.equal(calls, 2);
});

test("a signal ends the rotation, what was done stays, and the next run goes on", async () => {
  const store = mapStore();
  await fill(store, 100);
  const controller = new AbortController();
  const reason = new Error("enough");
  let swaps = 0;
  const slow: KeyStore = {
    ...store,
    async replace(record, expected) {
      swaps += 1;
      if (swaps === 30) controller.abort(reason);
      return store.replace(record, expected);
    },
  };
  const stopped = rotating(slow).rewrapKeys({
    batchSize: 10,
    concurrency: 1,
    signal: controller.signal,
  });
  await assert.rejects(stopped, (error: Error) => {
    failsWith("ABORTED")(error);
    assert.equal(error.cause, reason);
    return true;
  });
  const before = rotating(store).rewrapKeys({ signal: AbortSignal.abort() });
  await assert.rejects(before, failsWith("ABORTED"));

  const rest = await rotating(store).rewrapKeys();
  assert.ok(rest.rewrapped >= 60 && rest.rewrapped <= 80, `${rest.rewrapped}`);
  assert.equal((await new BYOK({ masterKey: NEW, store }).checkKeys({ open: true })).failed, 0);
});

test("an exception of onProgress ends the rotation and is what rewrapKeys rejects with", async () => {
  const store = mapStore();
  await fill(store, 50);
  const mistake = new Error("mine");
  const run = rotating(store).rewrapKeys({
    batchSize: 5,
    onProgress: () => {
      throw mistake;
    },
  });
  await assert.rejects(run, (error) => error === mistake);
});

test("a store's own exception is the cause, and names no key", async () => {
  const store = mapStore();
  await fill(store, 5);
  const down = new Error("connection refused");
  const failing: KeyStore = { ...store, replace: async () => Promise.reject(down) };
  await assert.rejects(rotating(failing).rewrapKeys(), (error: Error) => {
    failsWith("STORE_ERROR", /replace\(\) failed/)(error);
    assert.equal(error.cause, down);
    return true;
  });
});

test("a store that lacks a method is told which, and what to do", async () => {
  const { scan, ...withoutScan } = mapStore();
  for (const run of [rotating(withoutScan).rewrapKeys(), rotating(withoutScan).checkKeys()])
    await assert.rejects(run, failsWith("INVALID_ARGUMENT", /no scan\(\)/));

  const full = mapStore();
  await fill(full, 3);
  const { replace, ...withoutReplace } = full;
  await assert.rejects(
    rotating(withoutReplace).rewrapKeys(),
    failsWith("INVALID_ARGUMENT", /no replace\(\).*singleWriter: true/),
  );
  const report = await rotating(withoutReplace).rewrapKeys({ singleWriter: true });
  assert.equal(report.rewrapped, 3);
});

test("misspelt options and wrong values are named", async () => {
  const byok = rotating(new MemoryStore());
  const wrong: [Promise<unknown>, RegExp][] = [
    [byok.rewrapKeys({ batchsize: 1 } as never), /Did you mean batchSize\?/],
    [byok.rewrapKeys({ batchSize: 0 }), /batchSize must be a whole number from 1 to 10000/],
    [byok.rewrapKeys({ concurrency: 1.5 }), /concurrency must be/],
    [byok.rewrapKeys({ onProgress: "x" } as never), /onProgress must be a function/],
    [byok.checkKeys({ open: 1 } as never), /open must be true or false/],
    [byok.checkKeys({ singleWriter: true } as never), /has no option singleWriter/],
  ];
  for (const [run, message] of wrong)
    await assert.rejects(run, failsWith("INVALID_ARGUMENT", message));
});

test("closing ends a rotation that is running", async () => {
  const store = mapStore();
  await fill(store, 20);
  const stuck: KeyStore = { ...store, replace: () => new Promise(() => {}) };
  const byok = rotating(stuck);
  const ended = assert.rejects(byok.rewrapKeys(), failsWith("CLOSED"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await byok.close();
  await ended;
  await assert.rejects(byok.checkKeys(), failsWith("CLOSED"));
});

test("rows that were edited in PostgreSQL are named, each with its own code", async (t) => {
  const url = process.env["BYOK_TEST_POSTGRES_URL"];
  if (url === undefined) {
    assert.ok(!process.env["CI"], "BYOK_TEST_POSTGRES_URL names no server");
    return t.skip("BYOK_TEST_POSTGRES_URL names no server: run `npm run services`");
  }
  const table = `byok_rotation_edits_${process.pid}`;
  const pool = new Pool({ connectionString: url });
  t.after(async () => {
    await pool.query(`DROP TABLE IF EXISTS ${table}`);
    await pool.end();
  });
  const store = new PostgresStore(pool, { table });
  await store.migrate();
  await fill(store, 6);
  await register(new BYOK({ masterKey: OTHER, store }), "user_5");
  const edits = [
    `UPDATE ${table} SET sealed = CASE user_id
       WHEN 'user_0' THEN (SELECT sealed FROM ${table} WHERE user_id = 'user_1')
       ELSE (SELECT sealed FROM ${table} WHERE user_id = 'user_0') END
     WHERE user_id IN ('user_0', 'user_1')`,
    `UPDATE ${table} SET sealed = overlay(sealed PLACING
       (CASE WHEN substr(sealed, 100, 1) = 'A' THEN 'B' ELSE 'A' END) FROM 100 FOR 1)
     WHERE user_id = 'user_2'`,
    `UPDATE ${table} SET sealed = left(sealed, 150) WHERE user_id = 'user_3'`,
    `UPDATE ${table} SET user_id = 'mallory' WHERE user_id = 'user_4'`,
  ];
  for (const statement of edits) await pool.query(statement);
  await register(new BYOK({ masterKey: OLD, store }), "untouched");
  const rows = async () =>
    (
      await pool.query(
        `SELECT user_id, sealed FROM ${table} WHERE user_id <> 'untouched' ORDER BY 1`,
      )
    ).rows;
  const before = await rows();

  const byok = rotating(store);
  const report = await byok.rewrapKeys();
  const codes = (failures: RewrapReport["failures"]) =>
    Object.fromEntries(failures.map(({ userId, code }) => [userId, code]));
  assert.equal(report.rewrapped, 1);
  assert.deepEqual(codes(report.failures), {
    mallory: "DECRYPT_FAILED",
    user_0: "DECRYPT_FAILED",
    user_1: "DECRYPT_FAILED",
    user_2: "DECRYPT_FAILED",
    user_3: "BAD_RECORD",
    user_5: "UNKNOWN_MASTER_KEY",
  });
  assert.equal(report.previousKeysNeeded, true);
  assert.deepEqual(await rows(), before, "what does not open is left as it is");
  const found = await byok.checkKeys({ open: true });
  assert.deepEqual(codes(found.failures), codes(report.failures));
  assert.deepEqual(
    found.keys.map(({ role, records }) => [role, records]),
    [
      ["current", 1],
      ["previous", 5],
      ["unknown", 1],
    ],
  );
  // And none of them is handed out as a key.
  for (const { user_id: userId } of before) {
    await assert.rejects(
      byok.verifyKey({ userId, provider: "openai" }),
      (error: { code: string }) => {
        assert.equal(error.code, codes(report.failures)[userId]);
        return true;
      },
    );
  }
});
