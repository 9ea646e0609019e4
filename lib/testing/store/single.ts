// What a store does for one caller at a time.

import assert from "node:assert/strict";
import type { KeyId, KeyRecord } from "../../types.js";
import type { CaseDefinition } from "../store.js";
import {
  byId,
  forEach,
  fullRecord,
  getPlain,
  id,
  idText,
  LONGEST_SEALED,
  listPlain,
  record,
} from "./sample.js";

/** Texts that a store may take for one another, or for something else. */
const ODD = [
  ...["user_1", "User_1", "USER_1", "user_1 ", " user_1", "user_10", "user%", "user_", "%", "_"],
  ...["'", '"', "\\", "\\'", "a:b", "a", "A", "á", "a\u0301", "ss", "ß", "i", "İ", "ı", "🔑", "\t"],
  ...["1", "01", "1.0", "null", "undefined", "$ne", "{}", "*", "a*", "[a]", "__proto__", "../a"],
  ...[
    "a\n",
    "a\r\n",
    "\ufeffa",
    "a\u200b",
    "\u0001",
    "\u00010",
    "\u00011",
    "\u0001\u0001",
    "\u007f",
  ],
  ...[
    "\ufffd",
    "\uffff",
    "\u{10ffff}",
    "\u202ea",
    "K",
    "\u212a",
    "\uff41",
    "a\u0300",
    "\u00e0",
    "DOMAIN\\0",
  ],
];

export const singleCases: CaseDefinition[] = [
  {
    does: "gives a record back exactly as it was stored",
    async run({ store, concurrency }) {
      const key = "🔑".repeat(64);
      const records = [
        ...ODD.map((odd) => fullRecord(id(odd))),
        fullRecord(id("x".repeat(512), { provider: "p".repeat(64), label: "l".repeat(256) })),
        fullRecord(id("🔑".repeat(128), { namespace: key, label: key })),
        record(id("plain"), "byok1.plain"),
        record(id("long"), `byok1.${"A".repeat(LONGEST_SEALED - 6)}`),
        { ...record(id("big"), "byok1.big"), metadata: { text: "é".repeat(8_000) } },
        { ...record(id("invalid"), "byok1.x"), status: "invalid" as const, metadata: {} },
      ];
      await forEach(records, concurrency, async (each) => store.set(each));
      await forEach(records, concurrency, async (each) => {
        assert.deepEqual(await getPlain(store, each), each);
        assert.deepEqual(await listPlain(store, each.namespace, each.userId), [each]);
      });
    },
  },
  {
    does: "has no record that was never stored",
    async run({ store }) {
      assert.equal(await getPlain(store, id("nobody")), undefined);
      assert.deepEqual(await store.list({ namespace: "default", userId: "nobody" }), []);
      assert.equal(await store.delete(id("nobody")), false);
    },
  },
  {
    does: "keeps ids apart that look alike",
    async run({ store, concurrency }) {
      const ids = [
        ...ODD.map((odd) => id(odd)),
        ...ODD.map((odd) => id("u", { namespace: odd })),
        ...ODD.map((odd) => id("u", { label: odd })),
        ...["a", "a-b", "a.b", "a_b", "ab", "0"].map((provider) => id("u", { provider })),
        // Parts that say the same when they are joined.
        ...["", "/", ":", "|", ",", "-", "_", "."].flatMap((joint) => [
          id(`b${joint}c`, { namespace: "a", label: "d" }),
          id("c", { namespace: `a${joint}b`, label: "d" }),
          id("d", { namespace: "a", label: `b${joint}c` }),
        ]),
      ];
      assert.equal(new Set(ids.map(idText)).size, ids.length);
      for (const [number, each] of ids.entries()) {
        assert.equal(await getPlain(store, each), undefined, `${idText(each)} was there before`);
        await store.set(record(each, `byok1.${number}`));
      }
      await forEach(ids, concurrency, async (each, number) => {
        assert.equal((await getPlain(store, each))?.sealed, `byok1.${number}`, idText(each));
      });
      await forEach(ids, concurrency, async (each) => {
        assert.equal(await store.delete(each), true, idText(each));
        assert.equal(await getPlain(store, each), undefined);
      });
    },
  },
  {
    // PostgreSQL's text can't hold one; changing it silently would mix up users.
    does: "keeps ids with a NUL character exactly, or refuses them",
    async run({ store }) {
      await store.set(record(id("a"), "byok1.a"));
      for (const userId of ["a\0", "a\0b", "\0", "\0a", "\0\0", "\u0001\0", "\0".repeat(512)]) {
        const kept = record(id(userId), "byok1.nul");
        const refused = await rejects(() => store.set(kept));
        if (!refused) assert.deepEqual(await getPlain(store, kept), kept);
      }
      assert.equal((await getPlain(store, id("a")))?.sealed, "byok1.a");
      assert.equal((await listPlain(store, "default", "a")).length, 1);
    },
  },
  {
    does: "replaces a record as a whole when it is set again",
    async run({ store }) {
      await store.set(fullRecord(id("u")));
      const smaller = record(id("u"), "byok1.smaller");
      await store.set(smaller);
      assert.deepEqual(await getPlain(store, id("u")), smaller);
      assert.deepEqual(await listPlain(store, "default", "u"), [smaller]);
    },
  },
  {
    does: "says whether there was a record to delete, and deletes no other",
    async run({ store }) {
      const others = [
        id("v"),
        id("u", { namespace: "other" }),
        id("u", { provider: "gemini" }),
        id("u", { label: "second" }),
      ];
      for (const each of [id("u"), ...others]) await store.set(record(each, "byok1.x"));
      assert.equal(await store.delete(id("u")), true);
      assert.equal(await store.delete(id("u")), false);
      assert.equal(await getPlain(store, id("u")), undefined);
      for (const each of others) {
        assert.deepEqual(await getPlain(store, each), record(each, "byok1.x"));
      }
      await store.set(record(id("u"), "byok1.again"));
      assert.equal((await getPlain(store, id("u")))?.sealed, "byok1.again");
    },
  },
  {
    does: "lists all records of one user in a namespace, and nobody else's",
    async run({ store, concurrency }) {
      const of = (namespace: string, userId: string): KeyRecord[] =>
        ["openai", "gemini", "open-ai", "a"].flatMap((provider) =>
          ["default", "Default", "second", "é"].map((label) =>
            record({ namespace, userId, provider, label }, "byok1.x"),
          ),
        );
      const all = ["n", "n2", "N"].flatMap((namespace) =>
        ["u", "u2", "U", "u "].flatMap((userId) => of(namespace, userId)),
      );
      await forEach(all, concurrency, async (each) => store.set(each));
      assert.deepEqual(await listPlain(store, "n", "u"), byId(of("n", "u")));
      assert.deepEqual(await listPlain(store, "N", "u "), byId(of("N", "u ")));
      assert.deepEqual(await listPlain(store, "n3", "u"), []);
    },
  },
  {
    does: "keeps users, providers, labels and namespaces apart in whatever is done to one of them",
    async run({ store }) {
      const pair = ["a", "b"];
      const ids = pair.flatMap((namespace) =>
        pair.flatMap((userId) =>
          pair.flatMap((provider) => pair.map((label) => ({ namespace, userId, provider, label }))),
        ),
      );
      const expected = new Map(ids.map((each) => [idText(each), record(each, "byok1.same")]));
      for (const each of expected.values()) await store.set(each);
      const one = id("b", { namespace: "a", provider: "b", label: "a" });
      const check = async (after: string) => {
        for (const namespace of pair) {
          for (const userId of pair) {
            const own = [...expected.values()].filter(
              (each) => each.namespace === namespace && each.userId === userId,
            );
            assert.deepEqual(await listPlain(store, namespace, userId), byId(own), after);
          }
        }
      };
      const change = async (what: string, next: KeyRecord | undefined, act: () => unknown) => {
        if (next === undefined) expected.delete(idText(one));
        else expected.set(idText(one), next);
        await act();
        await check(what);
      };
      await check("set() of them all");
      const [second, third, fourth] = ["2", "3", "4"].map((n) => record(one, `byok1.${n}`)) as [
        KeyRecord,
        KeyRecord,
        KeyRecord,
      ];
      await change("set()", second, () => store.set(second));
      if (store.replace != null) {
        await change("replace()", third, () => store.replace?.(third, second));
      }
      const now = expected.get(idText(one)) as KeyRecord;
      if (store.replaceMany != null) {
        await change("replaceMany()", fourth, () =>
          store.replaceMany?.([{ record: fourth, expected: now }]),
        );
      }
      await change("delete()", undefined, () => store.delete(one));
    },
  },
  {
    does: "writes over the expected record only, by compare and swap",
    needs: ["replace"],
    async run({ store }) {
      const old = fullRecord(id("u"));
      const changed = record(id("u"), "byok1.new");
      const replace = (next: KeyRecord, sealed: string) => store.replace?.(next, { sealed });

      assert.equal(await replace(changed, old.sealed), false, "there was nothing to replace");
      assert.equal(await getPlain(store, id("u")), undefined);

      await store.set(old);
      for (const wrong of [
        "byok1.new",
        old.sealed.toLowerCase(),
        old.sealed.slice(0, -1),
        `${old.sealed} `,
        "%",
      ]) {
        assert.equal(await replace(changed, wrong), false, "another record was expected");
      }
      assert.deepEqual(await getPlain(store, id("u")), old);

      assert.equal(await replace(changed, old.sealed), true);
      assert.deepEqual(await getPlain(store, id("u")), changed);
      assert.equal(await replace(old, old.sealed), false);
      assert.deepEqual(await getPlain(store, id("u")), changed);

      // The same sealed text again, with other metadata: a change of status is such a write.
      const same: KeyRecord = { ...changed, status: "invalid" };
      assert.equal(await replace(same, changed.sealed), true);
      assert.equal(await replace(same, same.sealed), true, "nothing changed, but it was the one");
      assert.deepEqual(await getPlain(store, id("u")), same);
    },
  },
  {
    does: "touches no other record by compare and swap",
    needs: ["replace"],
    async run({ store }) {
      const ids: KeyId[] = [
        id("u"),
        id("U"),
        id("u", { namespace: "other" }),
        id("u", { provider: "gemini" }),
        id("u", { label: "second" }),
      ];
      for (const each of ids) await store.set(record(each, "byok1.same"));
      const changed = record(id("u"), "byok1.new");
      assert.equal(await store.replace?.(changed, { sealed: "byok1.same" }), true);
      for (const each of ids.slice(1)) {
        assert.deepEqual(await getPlain(store, each), record(each, "byok1.same"));
      }
    },
  },
];

async function rejects(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return false;
  } catch {
    return true;
  }
}
