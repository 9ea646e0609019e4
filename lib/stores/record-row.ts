// A record as a row of texts, for stores over tables: which columns there are, in which order, and the
// way there and back. It knows no SQL dialect and no driver.

import type { KeyId, KeyRecord } from "../types.js";

export const ID_COLUMNS = ["namespace", "user_id", "provider", "label"] as const;
export const OTHER_COLUMNS = [
  "sealed",
  "status",
  "hint",
  "fingerprint",
  "created_at",
  "updated_at",
  "verified_at",
  "metadata",
] as const;
export const COLUMNS = [...ID_COLUMNS, ...OTHER_COLUMNS] as const;

export type IdValues = [namespace: string, userId: string, provider: string, label: string];

export function idValues({ namespace, userId, provider, label }: KeyId): IdValues {
  return [namespace, userId, provider, label];
}

/** In the order of {@link COLUMNS}. Metadata is JSON text of ASCII characters, so that no character
 * set of a connection can change it. */
export function toRow(record: KeyRecord): (string | null)[] {
  return [
    ...idValues(record),
    record.sealed,
    record.status,
    record.hint,
    record.fingerprint,
    record.createdAt,
    record.updatedAt,
    record.verifiedAt ?? null,
    record.metadata === undefined ? null : asciiJson(record.metadata),
  ];
}

/** A record of a row that has {@link COLUMNS} in their order. What is wrong with a row that was edited
 * is left for the caller of the store to find. */
export function fromRow(row: readonly unknown[]): KeyRecord {
  const [namespace, userId, provider, label, sealed, status, hint, fingerprint] = row;
  const [createdAt, updatedAt, verifiedAt, metadata] = row.slice(8);
  const record: Record<string, unknown> = {
    ...{ namespace, userId, provider, label, sealed, status, hint, fingerprint },
    ...{ createdAt, updatedAt },
  };
  if (verifiedAt != null) record["verifiedAt"] = verifiedAt;
  if (metadata != null) record["metadata"] = fromJson(metadata);
  return record as unknown as KeyRecord;
}

function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The value as it is when it is no JSON: then it is no metadata, which is `BAD_RECORD` further on. */
export function fromJson(text: unknown): unknown {
  if (typeof text !== "string") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
