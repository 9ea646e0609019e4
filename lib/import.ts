// The import of keys that other libraries sealed: reads the source batch by batch and hands sealed texts
// to native code, which opens them and seals them anew. No key is ever a value here.

import type { Engine } from "./engine.js";
import { aborted, type BYOKErrorCode, invalidArgument } from "./errors.js";
import * as options from "./options.js";
import { encodeJson } from "./request.js";
import { IMPORT, IMPORT_ENTRY } from "./rotation-options.js";
import type { ImportEntry, ImportOptions, ImportReport } from "./types.js";

const DEFAULT_BATCH_SIZE = 200;
const FAILURES = 100;

/** What native code says of one batch. */
interface Batch {
  imported: number;
  skipped: number;
  failures: { index: number; code: BYOKErrorCode; message: string }[];
}

/** @throws BYOKError `INVALID_ARGUMENT` for options or a source that can't work */
export async function importKeys(
  engine: Engine,
  source: Iterable<ImportEntry> | AsyncIterable<ImportEntry>,
  o: ImportOptions,
): Promise<ImportReport> {
  const secrets: Uint8Array[] = [];
  try {
    options.checkOptions(o, IMPORT, "importKeys()");
    options.required(o, ["format", "key"], "importKeys()");
    secrets.push(...toBytes(o.key));
    const { format, existing = "skip", dryRun = false, signal } = o;
    const report: ImportReport = {
      read: 0,
      imported: 0,
      skipped: 0,
      failed: 0,
      failures: [],
      dryRun,
    };
    for await (const entries of batches(source, o.batchSize ?? DEFAULT_BATCH_SIZE)) {
      if (signal?.aborted) throw aborted(signal);
      const json = encodeJson({ format, existing, dryRun, entries }, "importKeys()");
      const batch = await engine.call<Batch>("importKeys", { json, bytes: secrets }, signal);
      add(report, batch, entries);
      o.onProgress?.({ done: report.read });
    }
    return report;
  } finally {
    for (const secret of secrets) secret.fill(0);
    for (const key of [o?.key].flat()) if (key instanceof Uint8Array) key.fill(0);
  }
}

function toBytes(key: ImportOptions["key"]): Uint8Array[] {
  const keys: readonly (string | Uint8Array)[] =
    typeof key === "string" || key instanceof Uint8Array ? [key] : key;
  return keys.map((each) =>
    typeof each === "string" ? new TextEncoder().encode(each) : Uint8Array.from(each),
  );
}

async function* batches(
  source: Iterable<ImportEntry> | AsyncIterable<ImportEntry>,
  size: number,
): AsyncGenerator<ImportEntry[]> {
  if (typeof source !== "object" || source === null || !isIterable(source)) {
    throw invalidArgument(
      "importKeys() reads an array, an iterable or an async iterable of entries, such as a database cursor.",
    );
  }
  let batch: ImportEntry[] = [];
  let index = 0;
  for await (const entry of source) {
    batch.push(checked(entry, index));
    index += 1;
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

function isIterable(source: object): boolean {
  return Symbol.asyncIterator in source || Symbol.iterator in source;
}

/** Mistakes in the source's shape end the import: they would be every entry's. */
function checked(entry: ImportEntry, index: number): ImportEntry {
  const where = `importKeys(): entry ${index}`;
  options.checkOptions(entry, IMPORT_ENTRY, where);
  options.required(entry, ["userId", "provider", "encrypted"], where);
  return entry;
}

function add(report: ImportReport, batch: Batch, entries: ImportEntry[]): void {
  for (const { index, code, message } of batch.failures) {
    const entry = entries[index];
    if (entry === undefined || report.failures.length >= FAILURES) continue;
    const { userId, provider, label = "default" } = entry;
    report.failures.push({ index: report.read + index, userId, provider, label, code, message });
  }
  report.read += entries.length;
  report.imported += batch.imported;
  report.skipped += batch.skipped;
  report.failed += batch.failures.length;
}
