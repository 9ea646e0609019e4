// What a store does for many callers at once, of one process.

import assert from "node:assert/strict";
import type { KeyRecord, KeyStore } from "../../types.js";
import type { CaseDefinition } from "../store.js";
import { getPlain, id, record } from "./sample.js";

const ROUNDS = 10;

export const raceCases: CaseDefinition[] = [
  {
    does: "loses no update of callers that compare and swap at the same time",
    needs: ["replace"],
    async run({ store, concurrency }) {
      await store.set(record(id("u"), "byok1.0"));
      await Promise.all(times(concurrency, () => incrementTimes(store, ROUNDS)));
      assert.equal((await getPlain(store, id("u")))?.sealed, `byok1.${concurrency * ROUNDS}`);
    },
  },
  {
    does: "lets one of many swaps of the same record win",
    needs: ["replace"],
    async run({ store, concurrency }) {
      for (let round = 0; round < ROUNDS; round++) {
        await store.set(record(id("u"), "byok1.old"));
        const answers = await Promise.all(
          times(concurrency, (n) =>
            store.replace?.(record(id("u"), `byok1.${n}`), { sealed: "byok1.old" }),
          ),
        );
        assert.equal(answers.filter((answer) => answer === true).length, 1);
        assert.equal(answers.filter((answer) => answer === false).length, concurrency - 1);
        const winner = answers.indexOf(true);
        assert.equal((await getPlain(store, id("u")))?.sealed, `byok1.${winner}`);
      }
    },
  },
  {
    does: "keeps every record of many that are set at the same time",
    async run({ store, concurrency }) {
      const records = times(concurrency * ROUNDS, (n) => record(id(`user_${n}`), `byok1.${n}`));
      await Promise.all(records.map((each) => store.set(each)));
      const found = await Promise.all(records.map((each) => getPlain(store, each)));
      assert.deepEqual(found, records);
    },
  },
  {
    does: "keeps one whole record when the same one is set by many at the same time",
    async run({ store, concurrency }) {
      for (let round = 0; round < ROUNDS; round++) {
        await Promise.all(times(concurrency, (n) => store.set(version(n))));
        const found = await getPlain(store, id("u"));
        assert.ok(found !== undefined);
        assert.deepEqual(found, version(numberOf(found)));
      }
    },
  },
  {
    does: "shows a reader the old or the new record, never a mixture and never none",
    async run({ store, concurrency }) {
      await store.set(version(0));
      let writing = true;
      const write = async () => {
        try {
          for (let n = 1; n <= 50; n++) await store.set(version(n));
        } finally {
          writing = false;
        }
      };
      const read = async () => {
        let last = 0;
        while (writing) {
          const found = await getPlain(store, id("u"));
          assert.ok(found !== undefined, "the record was gone while it was replaced");
          const number = numberOf(found);
          assert.deepEqual(found, version(number));
          assert.ok(number >= last, `version ${number} came back after ${last}`);
          last = number;
          // A store that answers at once must not keep the writer from its turn.
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await Promise.all([write(), ...times(Math.ceil(concurrency / 4), read)]);
      assert.deepEqual(await getPlain(store, id("u")), version(50));
    },
  },
  {
    does: "says to one of many deletes of a record that it was there",
    async run({ store, concurrency }) {
      for (let round = 0; round < ROUNDS; round++) {
        await store.set(record(id("u"), "byok1.x"));
        const answers = await Promise.all(times(concurrency, () => store.delete(id("u"))));
        assert.equal(answers.filter((answer) => answer === true).length, 1);
        assert.equal(answers.filter((answer) => answer === false).length, concurrency - 1);
      }
    },
  },
];

/** Adds one to the number in `sealed`, so many times, by compare and swap. */
export async function incrementTimes(store: KeyStore, count: number): Promise<void> {
  for (let done = 0; done < count; ) {
    const found = await getPlain(store, id("u"));
    assert.ok(found !== undefined);
    const next = record(id("u"), `byok1.${numberIn(found.sealed) + 1}`);
    if (await store.replace?.(next, { sealed: found.sealed })) done++;
  }
}

export function times<T>(count: number, make: (number: number) => T): T[] {
  return Array.from({ length: count }, (_, number) => make(number));
}

/** A record whose every field tells which one it is. */
function version(number: number): KeyRecord {
  const at = new Date(Date.UTC(2026, 0, 1) + number).toISOString();
  return {
    ...record(id("u"), `byok1.${number}`),
    hint: `hint ${number}`,
    fingerprint: "f".repeat(1 + (number % 7)),
    updatedAt: at,
    ...(number % 2 === 0 ? { verifiedAt: at, metadata: { number } } : {}),
  };
}

function numberOf(found: KeyRecord): number {
  return numberIn(found.sealed);
}

function numberIn(sealed: string): number {
  return Number(sealed.slice("byok1.".length));
}
