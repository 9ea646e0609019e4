// What an application implements to keep records where it likes. A store sees ciphertext and
// metadata only; it decides nothing and never sees a key.

import type { JsonObject, KeyStatus } from "./key.js";

/** What names a record. All four are always present and are compared byte for byte, so a column
 * that holds one needs a binary (case-sensitive, accent-sensitive) collation. */
export interface KeyId {
  /** `"default"` unless the `namespace` option is set. */
  namespace: string;
  /** 1 to 512 bytes of UTF-8, as the application gave it. */
  userId: string;
  /** Matches `[a-z0-9][a-z0-9._-]{0,63}`. */
  provider: string;
  /** `"default"` unless the key was registered with a label. */
  label: string;
}

/** One stored key: its id, the sealed secret and metadata. Plain JSON values throughout; dates are
 * ISO 8601 strings in UTC with milliseconds, so they sort as text.
 *
 * A store may hand back `Date` objects for the dates, `null` for what is absent, and columns of its
 * own beside these: dates are converted, nulls and unknown columns are ignored. */
export interface KeyRecord extends KeyId {
  /** `byok1.` and base64url without padding: at most 22,000 characters, usually about 300. */
  sealed: string;
  status: KeyStatus;
  /** What an interface may show: `sk-...wxyz`. */
  hint: string;
  /** A keyed hash of the key: equal for equal keys under one master key, useless to anyone else. */
  fingerprint: string;
  createdAt: string;
  updatedAt: string;
  /** When the provider last accepted the key; absent when it was never asked. */
  verifiedAt?: string;
  /** What the application gave at registration. */
  metadata?: JsonObject;
}

/** One compare-and-swap of {@link KeyStore.replaceMany}: what {@link KeyStore.replace} takes. */
export interface Replacement {
  record: KeyRecord;
  expected: { sealed: string };
}

/** One page of {@link KeyStore.scan}. */
export interface ScanPage {
  records: KeyRecord[];
  /** Where the next page begins; absent on the last one. Opaque to the library. */
  cursor?: string | null | undefined;
}

/**
 * Where records live. A `Map` is enough for the first four methods; see `MemoryStore` and
 * `SqliteStore` for stores that need no code.
 *
 * Methods may throw or reject: the operation then fails with `STORE_ERROR`, whose `cause` is the
 * original exception. One that takes longer than `callbackTimeoutMs` fails with `STORE_TIMEOUT`. A
 * record of another id than the one asked for, or one with missing fields, is refused with
 * `BAD_RECORD`.
 *
 * @example
 * ```ts
 * const records = new Map<string, KeyRecord>();
 * const name = (id: KeyId) => JSON.stringify([id.namespace, id.userId, id.provider, id.label]);
 * const store: KeyStore = {
 *   get: async (id) => records.get(name(id)),
 *   set: async (record) => void records.set(name(record), record),
 *   delete: async (id) => records.delete(name(id)),
 *   list: async ({ namespace, userId }) =>
 *     [...records.values()].filter((r) => r.namespace === namespace && r.userId === userId),
 * };
 * ```
 */
export interface KeyStore {
  /** The record of exactly this id; null or undefined when there is none. */
  get(id: KeyId): Promise<KeyRecord | null | undefined>;
  /** Writes a record, replacing one of the same id as a whole: a reader sees the old or the new one,
   * never a mixture and never none. */
  set(record: KeyRecord): Promise<void>;
  /** Deletes; true when there was a record to delete. */
  delete(id: KeyId): Promise<boolean>;
  /** All records of one user, in any order. Records of other namespaces are ignored. */
  list(o: { namespace: string; userId: string }): Promise<KeyRecord[]>;
  /** Compare-and-swap: writes `record` only if the stored one still has `expected.sealed`; false when
   * it has not, or is gone. Without it, key status updates and the rotation of master keys need a
   * single writer. */
  replace?(record: KeyRecord, expected: { sealed: string }): Promise<boolean>;
  /** Many swaps at once, in as few round trips as the database allows: for each item, in its order,
   * whether it was written. Each is atomic by itself; all of them together need not be. Ids within one
   * call differ. False may also be said of an item that was written and that another writer replaced
   * again at once; true, never of one that was not. Without it, the rotation of master keys calls
   * `replace` for each record. */
  replaceMany?(items: readonly Replacement[]): Promise<boolean[]>;
  /** Walks the records of all namespaces in a stable order, at most `limit` (at least 1) a page,
   * leaving out those whose `sealed` begins with `notPrefix`. Needed for the rotation of master keys. */
  scan?(o: { cursor?: string; limit: number; notPrefix?: string }): Promise<ScanPage>;
  /** Releases what the store holds; called by `byok.close()`. */
  close?(): Promise<void>;
}
