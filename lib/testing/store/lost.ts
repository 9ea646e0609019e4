// What a store does whose connection is gone: it says so. An outage must not look like a user without keys.

import assert from "node:assert/strict";
import type { CaseDefinition } from "../store.js";
import { fullRecord, id } from "./sample.js";

export const lostCases: CaseDefinition[] = [
  {
    does: "rejects every call when its connection is gone, and never says that there is no record",
    needs: ["disconnect"],
    async run({ store, disconnect }) {
      const one = fullRecord(id("u"));
      await store.set(one);
      await disconnect();
      const swap = { record: one, expected: { sealed: one.sealed } };
      const calls: [string, (() => Promise<unknown> | undefined) | false][] = [
        ["get", () => store.get(id("u"))],
        ["set", () => store.set(one)],
        ["delete", () => store.delete(id("u"))],
        ["list", () => store.list({ namespace: "default", userId: "u" })],
        ["replace", store.replace != null && (() => store.replace?.(one, swap.expected))],
        ["replaceMany", store.replaceMany != null && (() => store.replaceMany?.([swap]))],
        ["scan", store.scan != null && (() => store.scan?.({ limit: 1 }))],
      ];
      for (const [name, call] of calls) {
        if (call !== false) await assert.rejects(async () => call(), `${name}() must reject`);
      }
    },
  },
];
