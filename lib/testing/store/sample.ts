// Ids and records for the conformance cases, and what counts as the same record: the fields of
// `KeyRecord` and no others, with the liberties that `KeyRecord` grants a store.

import assert from "node:assert/strict";
import type { KeyId, KeyRecord, KeyStore } from "../../types.js";

const TEXTS = [
  "namespace",
  "userId",
  "provider",
  "label",
  "sealed",
  "status",
  "hint",
  "fingerprint",
] as const;
const DATES = ["createdAt", "updatedAt"] as const;

/** The longest `sealed` there is: a payload of 16,320 bytes. */
export const LONGEST_SEALED = 21_878;

export function id(userId: string, rest: Partial<KeyId> = {}): KeyId {
  return { namespace: "default", userId, provider: "openai", label: "default", ...rest };
}

/** The smallest record: every optional field absent. */
export function record(of: KeyId, sealed: string): KeyRecord {
  return {
    ...of,
    sealed,
    status: "unverified",
    hint: "sk-...wxyz",
    fingerprint: "5f2c",
    createdAt: "2026-01-02T03:04:05.678Z",
    updatedAt: "2026-02-03T04:05:06.789Z",
  };
}

/** Every field present, with texts that are hard to keep. */
export function fullRecord(of: KeyId): KeyRecord {
  return {
    ...record(of, `byok1.${"Ab-_9".repeat(60)}`),
    status: "active",
    hint: "'; DROP TABLE byok_keys; -- \\ \" % é 🔑",
    verifiedAt: "2026-03-04T05:06:07.000Z",
    metadata: {
      text: 'line\nbreak "quoted" 🔑 \u2028',
      list: [true, false, null, -0.5, 9_007_199_254_740_991],
      nested: { empty: {}, "": "", "a.b": { $set: 1 } },
    },
  };
}

/** What a store gave back, as the library reads it; see `KeyRecord`. */
export function plain(found: unknown): KeyRecord {
  assert.ok(typeof found === "object" && found !== null, "a record must be an object");
  const row = found as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const field of TEXTS) {
    assert.equal(typeof row[field], "string", `${field} of a record must be a string`);
    result[field] = row[field];
  }
  for (const field of DATES) result[field] = isoDate(row[field], field);
  if (row["verifiedAt"] != null) result["verifiedAt"] = isoDate(row["verifiedAt"], "verifiedAt");
  if (row["metadata"] != null) result["metadata"] = row["metadata"];
  return result as unknown as KeyRecord;
}

/** The four ids of a record alone, as the library hands them to a store. */
export function idOf({ namespace, userId, provider, label }: KeyId): KeyId {
  return { namespace, userId, provider, label };
}

export async function getPlain(store: KeyStore, of: KeyId): Promise<KeyRecord | undefined> {
  const found = await store.get(idOf(of));
  return found == null ? undefined : plain(found);
}

/** The user's records in that namespace, in the order of provider and label; others are the
 * library's to ignore, but another user's never. */
export async function listPlain(
  store: KeyStore,
  namespace: string,
  userId: string,
): Promise<KeyRecord[]> {
  const found = (await store.list({ namespace, userId })).map(plain);
  for (const each of found) {
    assert.equal(each.userId, userId, "list() returned a record of another user");
  }
  return byId(found.filter((each) => each.namespace === namespace));
}

/** Does something for each item, so many at once. */
export async function forEach<T>(
  items: readonly T[],
  concurrency: number,
  act: (item: T, index: number) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < items.length; start += concurrency) {
    const part = items.slice(start, start + concurrency);
    await Promise.all(part.map((item, n) => act(item, start + n)));
  }
}

export function byId(records: KeyRecord[]): KeyRecord[] {
  return [...records].sort((a, b) => (idText(a) < idText(b) ? -1 : 1));
}

export function idText({ namespace, userId, provider, label }: KeyId): string {
  return JSON.stringify([namespace, userId, provider, label]);
}

function isoDate(value: unknown, field: string): string {
  if (value instanceof Date) return value.toISOString();
  assert.equal(typeof value, "string", `${field} of a record must be an ISO string or a Date`);
  return value as string;
}
