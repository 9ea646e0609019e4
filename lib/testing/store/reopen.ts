// What a store does across restarts and for several processes, each played by a store object of its
// own over the same data.

import assert from "node:assert/strict";
import type { CaseDefinition } from "../store.js";
import { incrementTimes, times } from "./race.js";
import { fullRecord, getPlain, id, listPlain, record } from "./sample.js";

const ROUNDS = 10;

export const reopenCases: CaseDefinition[] = [
  {
    does: "has its records after it was closed and opened again",
    needs: ["reopen"],
    async run({ store, reopen }) {
      const records = times(20, (n) => fullRecord(id(`user 🔑 ${n}`)));
      for (const each of records) await store.set(each);
      await store.delete(id("user 🔑 0"));
      await store.close?.();
      const again = await reopen();
      assert.equal(await getPlain(again, id("user 🔑 0")), undefined);
      for (const each of records.slice(1)) assert.deepEqual(await getPlain(again, each), each);
    },
  },
  {
    does: "shows a write to another process at once",
    needs: ["reopen"],
    async run({ store, reopen }) {
      const other = await reopen();
      for (let round = 0; round < ROUNDS; round++) {
        const [writer, reader] = round % 2 === 0 ? [store, other] : [other, store];
        const written = record(id("u"), `byok1.${round}`);
        await writer.set(written);
        assert.deepEqual(await getPlain(reader, id("u")), written);
        assert.deepEqual(await listPlain(reader, "default", "u"), [written]);
        assert.equal(await reader.delete(id("u")), true);
        assert.equal(await getPlain(writer, id("u")), undefined);
      }
    },
  },
  {
    does: "loses no update of several processes that compare and swap at the same time",
    needs: ["reopen", "replace"],
    async run({ store, reopen, concurrency }) {
      const stores = [store, await reopen(), await reopen()];
      await store.set(record(id("u"), "byok1.0"));
      const each = Math.ceil(concurrency / stores.length);
      await Promise.all(stores.flatMap((one) => times(each, () => incrementTimes(one, ROUNDS))));
      const expected = `byok1.${stores.length * each * ROUNDS}`;
      for (const one of stores) assert.equal((await getPlain(one, id("u")))?.sealed, expected);
    },
  },
];
