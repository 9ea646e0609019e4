// The conformance suite over the library's own stores and over the smallest store that an
// application may write; and the suite itself, which must catch stores that break the contract.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { KeyId, KeyRecord, KeyStore } from "../dist/index.js";
import { MemoryStore, SqliteStore } from "../dist/index.js";
import { registerStoreConformance, storeConformance } from "../dist/testing/store.js";

const ALL = ["replace", "replaceMany", "scan", "close"] as const;
const name = (id: KeyId) => JSON.stringify([id.namespace, id.userId, id.provider, id.label]);

/** The example in the documentation of `KeyStore`. */
function mapStore(records = new Map<string, KeyRecord>()): KeyStore {
  return {
    get: async (id) => records.get(name(id)),
    set: async (record) => void records.set(name(record), record),
    delete: async (id) => records.delete(name(id)),
    list: async ({ namespace, userId }) =>
      [...records.values()].filter((r) => r.namespace === namespace && r.userId === userId),
  };
}

registerStoreConformance(test, { name: "a store over a Map", create: () => mapStore() });

registerStoreConformance(test, {
  name: "MemoryStore",
  create: () => new MemoryStore(),
  requires: ALL,
});

registerStoreConformance(test, {
  name: "SqliteStore",
  create: () => new SqliteStore(join(mkdtempSync(join(tmpdir(), "byok-store-")), "keys.db")),
  reopen: (store) => new SqliteStore((store as SqliteStore).path),
  dispose: (store) => rmSync(dirname((store as SqliteStore).path), { recursive: true }),
  requires: ALL,
});

for (const [kind, create] of [
  ["MemoryStore", () => new MemoryStore()],
  ["SqliteStore", () => new SqliteStore(":memory:")],
] as const) {
  test(`${kind}: refuses every call after it was closed, and closes again`, async () => {
    const store = create();
    await store.close();
    await store.close();
    const id = { namespace: "n", userId: "u", provider: "p", label: "l" };
    for (const call of [
      () => store.get(id),
      () => store.delete(id),
      () => store.list(id),
      () => store.scan({ limit: 1 }),
    ]) {
      await assert.rejects(call, { code: "CLOSED" });
    }
  });

  test(`${kind}: refuses a cursor that it did not make, and a limit of 0`, async () => {
    const store = create();
    for (const options of [{ limit: 1, cursor: "nonsense" }, { limit: 0 }]) {
      await assert.rejects(store.scan(options), { code: "INVALID_ARGUMENT" });
    }
    await store.close();
  });
}

/** A Map store with everything, of which a test breaks one part. */
function wholeStore(broken: Partial<KeyStore> = {}, records = new Map<string, KeyRecord>()) {
  const store: KeyStore = {
    ...mapStore(records),
    replace: async (record, { sealed }) => {
      const found = records.get(name(record))?.sealed === sealed;
      if (found) records.set(name(record), record);
      return found;
    },
    replaceMany: async (items) => {
      const answers: boolean[] = [];
      for (const { record, expected } of items) {
        answers.push((await store.replace?.(record, expected)) === true);
      }
      return answers;
    },
    scan: async ({ cursor = "", limit, notPrefix }) => {
      const rest = [...records.keys()].sort().filter((key) => key > cursor);
      const wanted = rest.filter(
        (key) => notPrefix === undefined || !records.get(key)?.sealed.startsWith(notPrefix),
      );
      const page = wanted.slice(0, limit);
      return {
        records: page.map((key) => records.get(key) as KeyRecord),
        cursor: wanted.length > limit ? page.at(-1) : null,
      };
    },
    ...broken,
  };
  return store;
}

function loseConnection(store: KeyStore): void {
  for (const method of Object.keys(store) as (keyof KeyStore)[]) {
    store[method] = async () => assert.fail("the connection is closed");
  }
}

/** The cases that a store fails; all are tried, or those that match. */
async function failures(
  create: () => KeyStore,
  { reopen, only = /./ }: { reopen?: (store: KeyStore) => KeyStore; only?: RegExp } = {},
) {
  const failed: string[] = [];
  for (const { name, run } of storeConformance({ name: "s", create, reopen })) {
    if (only.test(name)) await run().catch(() => failed.push(name.slice("s: ".length)));
  }
  return failed;
}

test("a store with every optional method passes without them having been skipped", async () => {
  const skipped: string[] = [];
  for (const { run } of storeConformance({
    name: "s",
    create: () => wholeStore(),
    reopen: (store) => store,
    disconnect: loseConnection,
  })) {
    await run((reason) => skipped.push(reason));
  }
  assert.deepEqual(skipped, []);
});

test("a method that the options require and the store lacks fails every case", async () => {
  for (const { run } of storeConformance({
    name: "s",
    create: () => mapStore(),
    requires: ["scan"],
  })) {
    await assert.rejects(run(), /must have scan\(\)/);
  }
});

type Maker = (records: Map<string, KeyRecord>) => Partial<KeyStore>;
const pause = () => new Promise((resolve) => setImmediate(resolve));

/** Stores with one fault, and a case that must catch it. */
const FAULTS: [fault: string, make: Maker, caughtBy: RegExp][] = [
  [
    "forgets metadata",
    (records) => ({
      set: async ({ metadata: _, ...record }) => void records.set(name(record), record),
    }),
    /exactly as it was stored/,
  ],
  [
    "folds the case of user ids",
    (records) => ({
      get: async (id) =>
        [...records.values()].find(
          (r) =>
            name({ ...r, userId: r.userId.toLowerCase() }) ===
            name({ ...id, userId: id.userId.toLowerCase() }),
        ),
    }),
    /look alike/,
  ],
  [
    "merges fields of the old record into the new one",
    (records) => ({
      set: async (record) =>
        void records.set(name(record), { ...records.get(name(record)), ...record }),
    }),
    /as a whole/,
  ],
  [
    "always says that it deleted",
    (records) => ({
      delete: async (id) => records.delete(name(id)) || true,
    }),
    /to delete/,
  ],
  [
    "lists the records of users whose id begins alike",
    (records) => ({
      list: async ({ userId }) => [...records.values()].filter((r) => r.userId.startsWith(userId)),
    }),
    /lists all records of one user/,
  ],
  [
    "cuts user ids at a NUL",
    (records) => ({
      set: async (record) => {
        const cut = { ...record, userId: record.userId.split("\0")[0] as string };
        records.set(name(cut), cut);
      },
    }),
    /NUL/,
  ],
  [
    "compares before it waits and swaps after",
    (records) => ({
      replace: async (record, { sealed }) => {
        const found = records.get(name(record))?.sealed === sealed;
        await pause();
        if (found) records.set(name(record), record);
        return found;
      },
    }),
    /loses no update of callers that compare/,
  ],
  [
    "deletes before it writes",
    (records) => ({
      set: async (record) => {
        records.delete(name(record));
        await pause();
        records.set(name(record), record);
      },
    }),
    /never none/,
  ],
  [
    "gives all of many swaps the answer of the first",
    (records) => ({
      replaceMany: async (items) => {
        const swapped = items.map(({ record, expected }) => {
          const found = records.get(name(record))?.sealed === expected.sealed;
          if (found) records.set(name(record), record);
          return found;
        });
        return swapped.map(() => swapped[0] === true);
      },
    }),
    /as expected, and says which/,
  ],
  [
    "compares many before it waits and swaps them after",
    (records) => ({
      replaceMany: async (items) => {
        const found = items.map(
          ({ record, expected }) => records.get(name(record))?.sealed === expected.sealed,
        );
        await pause();
        for (const [n, { record }] of items.entries()) {
          if (found[n]) records.set(name(record), record);
        }
        return found;
      },
    }),
    /loses no update of callers that swap many/,
  ],
  [
    "gives the record of any user with such a label",
    (records) => ({
      get: async (id) => [...records.values()].find((r) => r.label === id.label),
    }),
    /nobody else's key/,
  ],
  [
    "repairs the sealed texts that it reads",
    (records) => ({
      get: async (id) => {
        const found = records.get(name(id));
        return found && { ...found, sealed: found.sealed.trim() };
      },
    }),
    /edited, cut/,
  ],
  [
    "walks by offset",
    (records) => ({
      scan: async ({ cursor = "0", limit }) => {
        const keys = [...records.keys()].sort();
        const end = Number(cursor) + limit;
        return {
          records: keys.slice(Number(cursor), end).map((key) => records.get(key) as KeyRecord),
          cursor: end < keys.length ? String(end) : undefined,
        };
      },
    }),
    /deleted meanwhile/,
  ],
  [
    "takes the prefix for a LIKE pattern",
    (records) => ({
      scan: async ({ notPrefix = "\u{10ffff}" }) => {
        const pattern = new RegExp(`^${notPrefix.replace(".", "\\.").replaceAll("_", ".")}`);
        return { records: [...records.values()].filter((r) => !pattern.test(r.sealed)) };
      },
    }),
    /begins with the prefix/,
  ],
];

for (const [fault, make, caughtBy] of FAULTS) {
  test(`the suite catches a store that ${fault}`, async () => {
    const create = () => {
      const records = new Map<string, KeyRecord>();
      return wholeStore(make(records), records);
    };
    assert.equal((await failures(create, { only: caughtBy })).length, 1);
  });
}

test("the suite catches a store that says there is no record when its connection is gone", async () => {
  const cases = storeConformance({
    name: "s",
    create: () => wholeStore(),
    disconnect: (store) => {
      loseConnection(store);
      store.get = async () => null;
    },
  });
  const found = cases.filter(({ name }) => /connection is gone/.test(name));
  assert.equal(found.length, 1);
  for (const { run } of found) await assert.rejects(run(), /get\(\) must reject/);
});

test("the suite catches a store that is empty after it was opened again", async () => {
  const failed = await failures(() => wholeStore(), {
    reopen: () => wholeStore(),
    only: /opened again|another process|several processes/,
  });
  assert.deepEqual(failed.length, 3, failed.join("; "));
});
