// What the library makes of records that a store, or somebody with access to its database, has moved,
// edited or cut: an error for each, and never a key. A server on the loopback address plays the provider
// and sees every key that would have been sent.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { BYOK } from "../../byok.js";
import type { BYOKError } from "../../errors.js";
import type { KeyId, KeyRecord, KeyStore } from "../../types.js";
import type { CaseDefinition } from "../store.js";
import { getPlain, id } from "./sample.js";

const MASTER = Buffer.alloc(32, "a master key of tests \x01").toString("base64");
const OTHER_MASTER = Buffer.alloc(32, "another one for tests \x02").toString("base64");

const OWN = id("u");
/** Whose keys an attacker may have, each with a key of its own. */
const IDS = [
  OWN,
  id("v"),
  id("U"),
  id("u", { label: "work" }),
  id("u", { provider: "mistral" }),
  id("u", { namespace: "other" }),
];

export const vaultCases: CaseDefinition[] = [
  {
    does: "gives the library what it opens, and nobody else's key when records were moved",
    async run({ store }) {
      await withKeys(store, async ({ open, records, sent, own }) => {
        assert.equal(await open(store), "opened");
        assert.deepEqual(sent(), [`Bearer ${keyOf(OWN)}`], "the user's own key was sent");
        for (const other of records.slice(1)) {
          await store.set({ ...other, ...OWN });
          assert.equal(await open(store), "DECRYPT_FAILED");
          await store.set({ ...own, sealed: other.sealed });
          assert.equal(await open(store), "DECRYPT_FAILED");
        }
        await store.set(own);
        // Two rows that changed places.
        const [, second] = records as [KeyRecord, KeyRecord];
        await store.set({ ...own, sealed: second.sealed });
        await store.set({ ...second, sealed: own.sealed });
        assert.equal(await open(store), "DECRYPT_FAILED");
        assert.equal(await open(store, second), "DECRYPT_FAILED");
        assert.equal(sent().length, 1, "no other key was sent");
      });
    },
  },
  {
    does: "has its answers checked by the library, which takes no other record for the one it asked for",
    async run({ store }) {
      await withKeys(store, async ({ open, list, records, sent }) => {
        for (const other of records.slice(1)) {
          const lie = { ...borrowed(store), get: async () => other, list: async () => [other] };
          assert.equal(await open(lie), "BAD_RECORD");
          if (other.userId !== OWN.userId) assert.equal(await list(lie), "BAD_RECORD");
          // A clever one: another's record under the name that was asked for.
          const forged = { ...other, ...OWN };
          const cleverer = { ...borrowed(store), get: async () => forged };
          assert.equal(await open(cleverer), "DECRYPT_FAILED");
        }
        assert.deepEqual(sent(), []);
      });
    },
  },
  {
    does: "gives no key to the library from records that were edited, cut, or sealed by somebody else",
    async run({ store }) {
      await withKeys(store, async ({ open, own, sent }) => {
        const { sealed } = own;
        const at = (place: number) =>
          `${sealed.slice(0, place)}${sealed[place] === "A" ? "B" : "A"}${sealed.slice(place + 1)}`;
        const edits: [string, string, string][] = [
          ["a changed salt", at(40), "DECRYPT_FAILED"],
          ["a changed commitment", at(70), "DECRYPT_FAILED"],
          ["a changed ciphertext", at(120), "DECRYPT_FAILED"],
          ["a changed tag", at(sealed.length - 4), "DECRYPT_FAILED"],
          ["another master key's name", at(12), "UNKNOWN_MASTER_KEY"],
          ["another version", sealed.replace("byok1", "byok2"), "BAD_RECORD"],
          ["one character less", sealed.slice(0, -1), "BAD_RECORD"],
          ["half of it", sealed.slice(0, sealed.length / 2), "BAD_RECORD"],
          ["its beginning", sealed.slice(0, 22), "BAD_RECORD"],
          ["one character more", `${sealed}A`, "BAD_RECORD"],
          ["a space more", `${sealed} `, "BAD_RECORD"],
        ];
        for (const [what, edited, code] of edits) {
          await store.set({ ...own, sealed: edited });
          assert.equal(await open(store), code, what);
        }
        await register(store, [OWN], OTHER_MASTER);
        assert.equal(await open(store), "UNKNOWN_MASTER_KEY", "sealed under another master key");
        assert.deepEqual(sent(), [], "nothing was sent");
        await store.set(own);
        assert.equal(await open(store), "opened");
      });
    },
  },
  {
    does: "is never asked for an id that can't be",
    async run({ store }) {
      const asked: string[] = [];
      const watched = borrowed(store);
      for (const name of ["get", "set", "delete", "list"] as const) {
        watched[name] = async () => assert.fail(`${asked.push(name)}`);
      }
      const byok = new BYOK({ masterKey: MASTER, store: watched });
      const key = { provider: "openai", apiKey: "sk-x", validate: false } as const;
      for (const userId of ["", "\ud800", "x".repeat(513), "é".repeat(257)]) {
        for (const call of [
          () => byok.registerKey({ ...key, userId }),
          () => byok.hasKey({ userId, provider: "openai" }),
          () => byok.deleteKey({ userId, provider: "openai" }),
        ]) {
          await assert.rejects(call, { code: "INVALID_ARGUMENT" });
        }
      }
      await byok.close();
      assert.deepEqual(asked, []);
    },
  },
];

interface Prepared {
  records: KeyRecord[];
  own: KeyRecord;
  /** What comes of using a key of the namespace of {@link OWN}: `"opened"`, or an error's code. */
  open(store: KeyStore, of?: KeyId): Promise<string>;
  /** What comes of listing the keys of the user: `"listed"`, or an error's code. */
  list(store: KeyStore): Promise<string>;
  /** The credentials that the provider got so far. */
  sent(): string[];
}

/** Stores a key for each of {@link IDS}, as the library does, with a provider to send them to. */
async function withKeys(store: KeyStore, act: (prepared: Prepared) => Promise<void>) {
  const sent: string[] = [];
  const server = createServer((request, response) => {
    sent.push(request.headers.authorization ?? "");
    response.setHeader("content-type", "application/json");
    response.end('{"data":[]}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    for (const namespace of new Set(IDS.map((each) => each.namespace))) {
      await register(
        store,
        IDS.filter((each) => each.namespace === namespace),
        MASTER,
      );
    }
    const records = [];
    for (const each of IDS) records.push((await getPlain(store, each)) as KeyRecord);
    const settings = { baseURL: `http://127.0.0.1:${port}/v1`, allowPrivateNetwork: true };
    const providers = { openai: settings, mistral: settings };
    // One object over whichever store is looked at.
    let current = store;
    const switched = borrowed({
      get: (id) => current.get(id),
      set: (record) => current.set(record),
      delete: (id) => current.delete(id),
      list: (o) => current.list(o),
    });
    const byok = new BYOK({ masterKey: MASTER, store: switched, providers });
    const outcome = async (one: KeyStore, work: () => Promise<unknown>, good: string) => {
      current = one;
      return await work().then(
        () => good,
        (error: BYOKError) => error.code,
      );
    };
    await act({
      records,
      own: records[0] as KeyRecord,
      sent: () => sent,
      open: (one, { userId, provider, label } = OWN) =>
        outcome(one, () => byok.verifyKey({ userId, provider, label }), "opened"),
      list: (one) => outcome(one, () => byok.listKeys({ userId: OWN.userId }), "listed"),
    });
    await byok.close();
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Stores a key for each id, all of one namespace. */
async function register(store: KeyStore, ids: readonly KeyId[], masterKey: string): Promise<void> {
  const { namespace = "default" } = ids[0] ?? {};
  const byok = new BYOK({ masterKey, store: borrowed(store), namespace });
  for (const each of ids) {
    const { userId, provider, label } = each;
    await byok.registerKey({ userId, provider, label, apiKey: keyOf(each), validate: false });
  }
  await byok.close();
}

function keyOf({ namespace, userId, provider, label }: KeyId): string {
  return `sk-${namespace}-${userId}-${provider}-${label}-0123456789abcdef`;
}

/** The store without `close`, so that a BYOK that is closed leaves it open. */
function borrowed(store: KeyStore): KeyStore {
  return {
    get: (id) => store.get(id),
    set: (record) => store.set(record),
    delete: (id) => store.delete(id),
    list: (o) => store.list(o),
    ...(store.replace == null
      ? {}
      : {
          replace: async (record, expected) => (await store.replace?.(record, expected)) === true,
        }),
  };
}
