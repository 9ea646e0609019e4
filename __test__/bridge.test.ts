// What a user's store may do, and what native code then gets to see.

import assert from "node:assert/strict";
import { test } from "node:test";
import { storeCallbacks } from "../dist/bridge.js";
import { keepCause, keptCauses, takeCause } from "../dist/causes.js";
import { decodeError } from "../dist/errors.js";
import type { KeyRecord, KeyStore } from "../dist/index.js";

const ID = { namespace: "default", userId: "u", provider: "openai", label: "default" };
const RECORD: KeyRecord = {
  ...ID,
  sealed: "byok1.x",
  status: "active",
  hint: "sk-...x",
  fingerprint: "f",
  createdAt: "2026-01-02T03:04:05.678Z",
  updatedAt: "2026-01-02T03:04:05.678Z",
};

/** What native code would get from a store with one odd method. */
async function answer(op: keyof KeyStore, args: object, method: (...args: never[]) => unknown) {
  const store = { get() {}, set() {}, delete() {}, list() {}, [op]: method } as unknown as KeyStore;
  return JSON.parse(await storeCallbacks(store).call(op, JSON.stringify(args)));
}

test("records pass through, with dates as texts and without nulls and foreign columns", async () => {
  const when = new Date(RECORD.createdAt);
  const row = {
    ...RECORD,
    createdAt: when,
    updatedAt: when,
    verifiedAt: null,
    metadata: null,
    id: 7,
    _rev: {},
  };
  assert.deepEqual(await answer("get", ID, async () => row), { ok: RECORD });
  const full = { ...RECORD, verifiedAt: when, metadata: { team: "a" } };
  assert.deepEqual(await answer("get", ID, async () => full), {
    ok: { ...full, verifiedAt: RECORD.createdAt },
  });
});

test("no record is null, however the store says it", async () => {
  for (const nothing of [null, undefined])
    assert.deepEqual(await answer("get", ID, async () => nothing), { ok: null });
  assert.deepEqual(await answer("get", ID, () => undefined), { ok: null });
});

test("plain values and thenables are taken like promises", async () => {
  assert.deepEqual(await answer("get", ID, () => RECORD), { ok: RECORD });
  // biome-ignore lint/suspicious/noThenProperty: that is the point
  const thenable = { then: (resolve: (value: unknown) => void) => resolve(true) };
  assert.deepEqual(await answer("delete", ID, () => thenable), { ok: true });
});

test("exceptions of every kind become STORE_ERROR with the original as cause", async () => {
  const original = new Error("connection refused: postgres://u:p@h");
  const failures: [(...args: never[]) => unknown, unknown][] = [
    [
      () => {
        throw original;
      },
      original,
    ],
    [() => Promise.reject(original), original],
    [() => Promise.reject(undefined), undefined],
    [
      () => {
        throw "a text";
      },
      "a text",
    ],
    [
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is the point
        get then() {
          throw original;
        },
      }),
      original,
    ],
  ];
  for (const [method, cause] of failures) {
    const { error } = await answer("set", RECORD, method);
    assert.equal(error.code, "STORE_ERROR");
    assert.doesNotMatch(error.message, /postgres/);
    assert.equal(decodeError(error).cause, cause);
  }
  assert.equal(keptCauses(), 0, "each was taken out");
});

test("a record that is not the one asked for is refused", async () => {
  for (const name of ["namespace", "userId", "provider", "label"]) {
    const { error } = await answer("get", ID, async () => ({ ...RECORD, [name]: "U" }));
    assert.equal(error.code, "BAD_RECORD");
    assert.match(error.message, new RegExp(`another ${name}`));
  }
  const { error } = await answer("list", { namespace: "default", userId: "u" }, async () => [
    { ...RECORD, userId: "U" },
  ]);
  assert.equal(error.code, "BAD_RECORD");
});

test("a malformed record is refused by the field's name, without its value", async () => {
  const cases: [string, unknown][] = [
    ["sealed", 12345],
    ["hint", undefined],
    ["fingerprint", null],
    ["createdAt", 1767323045678],
    ["updatedAt", new Date(Number.NaN)],
    ["verifiedAt", false],
    ["metadata", '{"a":1}'],
    ["metadata", []],
    ["status", "fine"],
  ];
  for (const [name, value] of cases) {
    const { error } = await answer("get", ID, async () => ({ ...RECORD, [name]: value }));
    assert.equal(error.code, "BAD_RECORD", name);
    assert.match(error.message, new RegExp(name));
    assert.doesNotMatch(error.message, /12345|1767323045678/);
  }
  for (const row of ["text", 5, true]) {
    assert.equal((await answer("get", ID, async () => row)).error.code, "BAD_RECORD");
  }
});

test("list leaves out other namespaces and wants an array", async () => {
  const owner = { namespace: "default", userId: "u" };
  const other = { ...RECORD, namespace: "staging" };
  assert.deepEqual(await answer("list", owner, async () => [RECORD, other]), { ok: [RECORD] });
  for (const wrong of [undefined, null, {}, "x"]) {
    assert.equal((await answer("list", owner, async () => wrong)).error.code, "STORE_ERROR");
  }
});

test("delete and replace must say whether they did it", async () => {
  assert.deepEqual(await answer("delete", ID, async () => false), { ok: false });
  for (const wrong of [undefined, 1, "yes"]) {
    const { error } = await answer("delete", ID, async () => wrong);
    assert.equal(error.code, "STORE_ERROR");
    assert.match(error.message, /delete\(\) must resolve to true/);
  }
  const seen: unknown[] = [];
  const replace = async (record: unknown, expected: unknown) => seen.push(record, expected) > 0;
  assert.deepEqual(
    await answer("replace", { record: RECORD, expected: { sealed: "old" } }, replace),
    { ok: true },
  );
  assert.deepEqual(seen, [RECORD, { sealed: "old" }]);
});

test("replaceMany answers true or false for each item, in their order", async () => {
  const items = [1, 2].map((n) => ({ record: RECORD, expected: { sealed: `old ${n}` } }));
  const seen: unknown[] = [];
  const swap = async (given: unknown) => seen.push(given) > 0 && [true, false];
  assert.deepEqual(await answer("replaceMany", items, swap as never), { ok: [true, false] });
  assert.deepEqual(seen, [items]);
  assert.deepEqual(await answer("replaceMany", [], async () => []), { ok: [] });
  for (const wrong of [undefined, 2, {}, [true], [true, true, true], [true, 1], new Array(2)]) {
    const { error } = await answer("replaceMany", items, async () => wrong);
    assert.equal(error.code, "STORE_ERROR");
    assert.match(error.message, /replaceMany\(\)/);
  }
});

test("scan gives a page with a cursor of text", async () => {
  const options = { limit: 10 };
  assert.deepEqual(
    await answer("scan", options, async () => ({ records: [RECORD], cursor: "c" })),
    {
      ok: { records: [RECORD], cursor: "c" },
    },
  );
  assert.deepEqual(await answer("scan", options, async () => ({ records: [], cursor: null })), {
    ok: { records: [] },
  });
  for (const wrong of [undefined, [], { records: {} }, { records: [], cursor: 5 }]) {
    assert.equal((await answer("scan", options, async () => wrong)).error.code, "STORE_ERROR");
  }
});

test("only the methods that a store has are announced, and close may be missing", async () => {
  const four = { get() {}, set() {}, delete() {}, list() {} } as unknown as KeyStore;
  assert.deepEqual(storeCallbacks(four).has, ["get", "set", "delete", "list"]);
  assert.equal(await storeCallbacks(four).call("close", "{}"), '{"ok":null}');
  assert.match(await storeCallbacks(four).call("drop", "{}"), /STORE_ERROR/);
  assert.throws(() => storeCallbacks({ ...four, scan: 5 } as never), { code: "INVALID_ARGUMENT" });
});

test("methods of a class keep their this", async () => {
  class Store {
    #records = new Map([["u", RECORD]]);
    async get() {
      return this.#records.get("u");
    }
    async set() {}
    async delete() {
      return true;
    }
    async list() {
      return [...this.#records.values()];
    }
  }
  const callbacks = storeCallbacks(new Store());
  assert.deepEqual(JSON.parse(await callbacks.call("get", JSON.stringify(ID))), { ok: RECORD });
});

test("causes that nobody takes are bounded", () => {
  const first = keepCause("first");
  for (let n = 0; n < 5000; n++) keepCause(n);
  assert.equal(takeCause(first), undefined);
  assert.equal(keptCauses(), 1000);
});
