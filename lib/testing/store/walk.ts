// What `scan` does: a walk over the records of all namespaces, in pages.

import assert from "node:assert/strict";
import type { KeyRecord, KeyStore } from "../../types.js";
import type { CaseDefinition } from "../store.js";
import { times } from "./race.js";
import { byId, fullRecord, id, idText, plain, record } from "./sample.js";

/** More pages than any walk of these cases can need, empty ones included. */
const MOST_PAGES = 2_000;

interface Page {
  records: KeyRecord[];
  cursor: string | undefined;
}

export const walkCases: CaseDefinition[] = [
  {
    does: "walks over every record once, in one order for every page size",
    needs: ["scan"],
    async run({ store }) {
      assert.deepEqual(await walk(store, 10), []);
      const records = ["default", "tenant", "Tenant", "🔑"].flatMap((namespace) =>
        ["a", "A", "a b", "é", "'%_"].flatMap((userId) =>
          ["default", "Default"].map((label) => fullRecord(id(userId, { namespace, label }))),
        ),
      );
      for (const each of records) await store.set(each);
      const first = await walk(store, 7);
      assert.deepEqual(byId(first), byId(records));
      for (const limit of [1, 2, records.length - 1, records.length, records.length + 1, 1_000]) {
        assert.deepEqual(await walk(store, limit), first, `another walk with pages of ${limit}`);
      }
    },
  },
  {
    does: "sees every unchanged record once in a walk under concurrent writes",
    needs: ["scan"],
    async run({ store }) {
      const ids = times(60, (n) => id(`user_${n}`));
      for (const each of ids) await store.set(record(each, "byok1.x"));
      let walking = true;
      const write = async () => {
        for (let round = 0; walking; round++) {
          // Two thirds stay as they are; the rest goes, comes back and is joined by new ones.
          for (let n = 0; n < ids.length && walking; n += 3) {
            const changed = id(`user_${n}`);
            if ((n + round) % 2 === 0) await store.delete(changed);
            else await store.set(record(changed, `byok1.${round}`));
            await store.set(record(id(`user_${n}`, { label: `new ${round % 3}` }), "byok1.new"));
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
      };
      const read = async () => {
        try {
          for (const limit of [1, 3, 10]) {
            const seen = (await walk(store, limit)).map(idText);
            assert.equal(new Set(seen).size, seen.length, "a record was seen twice");
            for (const [n, each] of ids.entries()) {
              if (n % 3 !== 0) assert.ok(seen.includes(idText(each)), `user_${n} was not seen`);
            }
          }
        } finally {
          walking = false;
        }
      };
      await Promise.all([write(), read()]);
    },
  },
  {
    does: "goes on behind a record that was deleted meanwhile",
    needs: ["scan"],
    async run({ store }) {
      for (let n = 0; n < 10; n++) await store.set(record(id(`user_${n}`), "byok1.x"));
      const order = (await walk(store, 100)).map(idText);
      const first = await page(store, 4, undefined);
      const seen = first.records.length;
      assert.deepEqual(first.records.map(idText), order.slice(0, seen));
      // The last that was seen and the next two.
      for (const text of order.slice(Math.max(0, seen - 1), seen + 2)) {
        const [namespace, userId, provider, label] = JSON.parse(text);
        await store.delete({ namespace, userId, provider, label });
      }
      const rest = first.cursor === undefined ? [] : await walk(store, 100, "", first.cursor);
      assert.deepEqual(rest.map(idText), order.slice(seen + 2));
    },
  },
  {
    does: "leaves out the records whose sealed text begins with the prefix, compared exactly",
    needs: ["scan"],
    async run({ store }) {
      const texts = ["AAAA1", "AAAA", "AAA", "aaaa1", "AAA_1", "AAA-1", "AAAB", "xAAAA"].map(
        (text) => `byok1.${text}`,
      );
      for (const [n, sealed] of texts.entries()) await store.set(record(id(`user_${n}`), sealed));
      for (const prefix of ["byok1.AAAA", "byok1.AAA_", "byok1.AAA", "byok1.aaaa", "byok1."]) {
        const left = (await walk(store, 2, prefix)).map((each) => each.sealed).sort();
        assert.deepEqual(left, texts.filter((text) => !text.startsWith(prefix)).sort(), prefix);
      }
    },
  },
  {
    does: "finishes a walk in which each record stops being looked for once it was seen",
    needs: ["scan", "replace"],
    async run({ store }) {
      // What a rotation of master keys does.
      const old = times(25, (n) => record(id(`user_${n}`), `byok1.OLD${n}`));
      for (const each of old) await store.set(each);
      let seen = 0;
      let cursor: string | undefined;
      for (let pages = 0; ; pages++) {
        assert.ok(pages < MOST_PAGES, "the walk did not end");
        const next = await page(store, 4, cursor, "byok1.NEW");
        for (const each of next.records) {
          seen++;
          const { sealed } = each;
          assert.equal(
            await store.replace?.({ ...each, sealed: sealed.replace("OLD", "NEW") }, { sealed }),
            true,
          );
        }
        if (next.cursor === undefined) break;
        cursor = next.cursor;
      }
      assert.equal(seen, old.length);
      assert.deepEqual(await walk(store, 4, "byok1.NEW"), []);
      assert.equal((await walk(store, 4)).length, old.length);
    },
  },
];

async function walk(
  store: KeyStore,
  limit: number,
  notPrefix = "",
  from?: string,
): Promise<KeyRecord[]> {
  const records: KeyRecord[] = [];
  let cursor = from;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const next = await page(store, limit, cursor, notPrefix);
    records.push(...next.records);
    if (next.cursor === undefined) return records;
    cursor = next.cursor;
  }
  assert.fail(`the walk did not end within ${MOST_PAGES} pages`);
}

async function page(
  store: KeyStore,
  limit: number,
  cursor: string | undefined,
  notPrefix = "",
): Promise<Page> {
  const found = await store.scan?.({
    limit,
    ...(cursor === undefined ? {} : { cursor }),
    ...(notPrefix === "" ? {} : { notPrefix }),
  });
  assert.ok(found !== undefined && Array.isArray(found.records), "scan() must give records");
  assert.ok(found.records.length <= limit, `a page of ${limit} has ${found.records.length}`);
  assert.ok(found.cursor == null || typeof found.cursor === "string", "a cursor must be a string");
  return { records: found.records.map(plain), cursor: found.cursor ?? undefined };
}
