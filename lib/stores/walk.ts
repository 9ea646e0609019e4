// How a store over a database walks its records in pages: in the order of ids, or, to leave out the
// records under one master key, from master key to master key, so that an index skips them. It knows
// what a cursor holds, and no database.

import { invalidArgument } from "../errors.js";
import type { KeyId, KeyRecord, ScanPage } from "../types.js";
import { type IdValues, idValues } from "./record-row.js";

export interface ScanOptions {
  cursor?: string;
  limit: number;
  notPrefix?: string;
}

/** What a database has to answer for a walk. */
export interface WalkSource {
  /** At most `limit` records behind `after`, in the order of ids; all of them, or only those whose
   * `sealed` begins with exactly `under` (as {@link sealedUnder} cuts it). */
  page(limit: number, after?: IdValues, under?: string): Promise<KeyRecord[]>;
  /** The least text that `sealed` of some record begins with and that is greater than `after`. */
  nextUnder(after?: string): Promise<string | undefined>;
}

/** What `sealed` begins with: format, version, suite and master key. `docs/reference/record-format.md`
 * says why these are whole characters. */
export const UNDER_LENGTH = 22;

export function sealedUnder(sealed: string): string {
  return sealed.slice(0, UNDER_LENGTH);
}

/** One page of a walk over `source`. A page has one or two queries, and one more for each master key
 * that ends on it. */
export async function walkPage(options: ScanOptions, source: WalkSource): Promise<ScanPage> {
  const { cursor, limit, notPrefix = "" } = options;
  if (!Number.isInteger(limit) || limit < 1) {
    throw invalidArgument("`limit` of a scan must be a whole number of at least 1.");
  }
  if (notPrefix === "") {
    const records = await source.page(limit, cursor === undefined ? undefined : idIn(cursor));
    return page(records, limit, (last) => idValues(last));
  }
  return await walkUnder(limit, notPrefix, cursor, source);
}

async function walkUnder(
  limit: number,
  notPrefix: string,
  cursor: string | undefined,
  source: WalkSource,
): Promise<ScanPage> {
  let [under, after] =
    cursor === undefined ? [await nextUnder(source, notPrefix), undefined] : placeIn(cursor);
  while (under !== undefined) {
    const here = under;
    const records = await source.page(limit, after, here);
    // An edited row, or a prefix that is longer than what names a master key.
    const wanted = records.filter((record) => !record.sealed.startsWith(notPrefix));
    if (records.length === limit) {
      return { ...page(records, limit, (last) => [here, ...idValues(last)]), records: wanted };
    }
    under = await nextUnder(source, notPrefix, here);
    after = undefined;
    if (under === undefined) return { records: wanted };
    if (wanted.length > 0) return { records: wanted, cursor: encode([under]) };
  }
  return { records: [] };
}

async function nextUnder(
  source: WalkSource,
  notPrefix: string,
  after?: string,
): Promise<string | undefined> {
  let under = await source.nextUnder(after);
  while (under?.startsWith(notPrefix)) under = await source.nextUnder(under);
  return under;
}

function page(records: KeyRecord[], limit: number, place: (last: KeyRecord) => string[]): ScanPage {
  const last = records.at(-1);
  return last === undefined || records.length < limit
    ? { records }
    : { records, cursor: encode(place(last)) };
}

/** Opaque to callers, and free of what the library's own journey through JSON could change. */
export function encode(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** @throws INVALID_ARGUMENT for a cursor that no walk made */
export function decode(cursor: string): string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (Array.isArray(parts) && parts.every((part) => typeof part === "string")) return parts;
  } catch {
    // Said below.
  }
  throw foreign();
}

function idIn(cursor: string): IdValues {
  const parts = decode(cursor);
  if (parts.length !== 4) throw foreign();
  return parts as IdValues;
}

/** A master key, and the last record that was seen under it. */
function placeIn(cursor: string): [string, IdValues | undefined] {
  const [under, ...id] = decode(cursor);
  if (under === undefined || (id.length !== 0 && id.length !== 4)) throw foreign();
  return [under, id.length === 0 ? undefined : (id as IdValues)];
}

function foreign(): Error {
  return invalidArgument(
    "`cursor` is not one that this store's scan returned for these options. Leave it out to begin a new scan.",
  );
}

/** For maps in memory: equal for equal ids only. */
export function idKey(id: KeyId): string {
  return JSON.stringify(idValues(id));
}
