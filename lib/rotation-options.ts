// The options of what goes through many records: rotation, checks, imports.

import {
  type Check,
  callback,
  flag,
  identifier,
  must,
  type OptionTable,
  object,
  signal,
  string,
  text,
} from "./options.js";

const oneTo =
  (most: number): Check =>
  (value, path) =>
    must(
      Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most,
      path,
      `a whole number from 1 to ${most}`,
    );

const WALK: OptionTable = {
  batchSize: oneTo(10_000),
  concurrency: oneTo(64),
  signal,
  onProgress: callback,
};

export const REWRAP: OptionTable = { ...WALK, singleWriter: flag };
export const CHECK: OptionTable = { ...WALK, open: flag, skipCurrent: flag };

const isKey = (value: unknown) => typeof value === "string" || value instanceof Uint8Array;

export const IMPORT: OptionTable = {
  format: text,
  key: (value, path) =>
    must(
      isKey(value) || (Array.isArray(value) && value.length > 0 && value.every(isKey)),
      path,
      "a string, a Uint8Array, or an array of them",
    ),
  dryRun: flag,
  existing: (value, path) =>
    must(value === "skip" || value === "replace", path, '"skip" or "replace"'),
  batchSize: oneTo(1_000),
  signal,
  onProgress: callback,
};

export const IMPORT_ENTRY: OptionTable = {
  userId: identifier,
  provider: identifier,
  label: identifier,
  encrypted: string,
  additionalData: string,
  metadata: object,
  createdAt: (value, path) =>
    must(
      typeof value === "string" || (value instanceof Date && !Number.isNaN(value.getTime())),
      path,
      "an ISO 8601 string or a Date",
    ),
};
