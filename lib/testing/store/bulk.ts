// What `replaceMany` does: many swaps in one call.

import assert from "node:assert/strict";
import type { KeyRecord, KeyStore, Replacement } from "../../types.js";
import type { CaseDefinition } from "../store.js";
import { times } from "./race.js";
import { forEach, fullRecord, getPlain, id, idOf, record } from "./sample.js";

/** More than a store is likely to put into one statement. */
const MANY = 530;
const ROUNDS = 10;

export const bulkCases: CaseDefinition[] = [
  {
    does: "swaps those of many records that are as expected, and says which",
    needs: ["replaceMany"],
    async run({ store }) {
      assert.deepEqual(await swapAll(store, []), []);
      const old = ["a", "A", "a ", "🔑", "'", "%", "a\\"].map((userId) => fullRecord(id(userId)));
      for (const each of old) await store.set(each);
      await store.delete(idOf(id("'")));
      const items = old.map((each): Replacement & { swaps: boolean } => {
        const { userId, sealed } = each;
        const next = record(each, `byok1.new of ${userId}`);
        // One is not there, one was changed, and one keeps its sealed text with other metadata.
        if (userId === "'") return { record: next, expected: each, swaps: false };
        if (userId === "A")
          return { record: next, expected: { sealed: `${sealed} ` }, swaps: false };
        if (userId === "%") return { record: { ...next, sealed }, expected: each, swaps: true };
        return { record: next, expected: each, swaps: true };
      });
      const asked = items.map(({ record, expected: { sealed } }) => ({
        record,
        expected: { sealed },
      }));
      const answers = await swapAll(store, asked);
      assert.deepEqual(
        answers,
        items.map(({ swaps }) => swaps),
      );
      for (const [n, item] of items.entries()) {
        const kept = item.record.userId === "'" ? undefined : old[n];
        assert.deepEqual(await getPlain(store, item.record), item.swaps ? item.record : kept);
      }
    },
  },
  {
    does: "swaps more records in one call than one statement may hold",
    needs: ["replaceMany"],
    async run({ store, concurrency }) {
      const old = times(MANY, (n) => record(id(`user_${n}`), `byok1.${n}`));
      await forEach(old, concurrency, async (each) => store.set(each));
      // Backwards, so that no order of a store's own is that of the answers.
      const items = old.toReversed().map((each, n) => ({
        record: { ...each, sealed: `${each.sealed} new` },
        expected: { sealed: n % 3 === 0 ? "byok1.other" : each.sealed },
      }));
      const answers = await swapAll(store, items);
      assert.deepEqual(
        answers,
        items.map((_, n) => n % 3 !== 0),
      );
      for (const n of [0, 1, 2, 3, MANY - 2, MANY - 1]) {
        const { record: next } = items[n] as Replacement;
        const was = old[MANY - 1 - n];
        assert.deepEqual(await getPlain(store, next), n % 3 === 0 ? was : next);
      }
    },
  },
  {
    does: "lets one of many callers win each record that they all swap",
    needs: ["replaceMany"],
    async run({ store, concurrency }) {
      for (let round = 0; round < ROUNDS; round++) {
        const old = times(5, (n) => record(id(`user_${n}`), "byok1.old"));
        for (const each of old) await store.set(each);
        const answers = await Promise.all(
          times(concurrency, (caller) => swapAll(store, swaps(old, caller))),
        );
        for (const [n, each] of old.entries()) {
          const winners = answers.flatMap((answer, caller) =>
            answer[caller % 2 === 0 ? n : old.length - 1 - n] ? [caller] : [],
          );
          assert.equal(winners.length, 1, `callers ${winners} won`);
          assert.equal((await getPlain(store, each))?.sealed, `byok1.${winners[0]}`);
        }
      }
    },
  },
  {
    does: "loses no update of callers that swap many records at the same time",
    needs: ["replaceMany"],
    async run({ store, concurrency }) {
      const start = times(4, (n) => record(id(`user_${n}`), "byok1.0"));
      for (const each of start) await store.set(each);
      const written = start.map(() => 0);
      const increment = async (caller: number) => {
        for (let round = 0; round < ROUNDS; round++) {
          const found = await Promise.all(start.map((each) => getPlain(store, each)));
          const items = found.map((each) => {
            assert.ok(each !== undefined);
            const next = Number(each.sealed.slice("byok1.".length)) + 1;
            return { record: record(each, `byok1.${next}`), expected: { sealed: each.sealed } };
          });
          const backwards = caller % 2 === 1;
          const answers = await swapAll(store, backwards ? items.toReversed() : items);
          for (const [n, won] of (backwards ? answers.toReversed() : answers).entries()) {
            if (won) written[n] = (written[n] ?? 0) + 1;
          }
        }
      };
      await Promise.all(times(Math.ceil(concurrency / 4), increment));
      for (const [n, each] of start.entries()) {
        const count = Number((await getPlain(store, each))?.sealed.slice("byok1.".length));
        const said = written[n] ?? 0;
        assert.ok(count >= said, `${said} callers were told that they wrote, ${count} did`);
        assert.ok(count > 0);
      }
    },
  },
];

/** What one caller tries: every second goes through the records backwards. */
function swaps(old: KeyRecord[], caller: number): Replacement[] {
  const items = old.map((each) => ({
    record: record(each, `byok1.${caller}`),
    expected: { sealed: each.sealed },
  }));
  return caller % 2 === 0 ? items : items.toReversed();
}

async function swapAll(store: KeyStore, items: Replacement[]): Promise<boolean[]> {
  const answers = await store.replaceMany?.(items);
  assert.ok(Array.isArray(answers), "replaceMany() must give an array");
  assert.equal(answers.length, items.length, "replaceMany() must answer for each item");
  for (const answer of answers) assert.equal(typeof answer, "boolean");
  return answers;
}
