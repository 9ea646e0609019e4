// Wraps an application's key store for the native side: one function that never throws and always
// resolves to an envelope, with records checked on the way in. The functions stand at module level
// because a closure that shares a scope with the BYOK object would keep both alive for ever.

import { keepCause } from "./causes.js";
import { inContext } from "./contexts.js";
import type { BYOKErrorCode } from "./errors.js";
import { invalidArgument } from "./errors.js";
import type { StoreCallbacks } from "./native.js";
import type { KeyId, KeyRecord, KeyStore } from "./types.js";

const REQUIRED = ["get", "set", "delete", "list"] as const;
const OPTIONAL = ["replace", "replaceMany", "scan", "close"] as const;
type Op = (typeof REQUIRED)[number] | (typeof OPTIONAL)[number];

/** @throws INVALID_ARGUMENT when a method is missing or not a function. */
export function storeCallbacks(store: KeyStore): StoreCallbacks {
  if (typeof store !== "object" || store === null) {
    throw invalidArgument(
      "store must be an object with the methods of KeyStore, such as new MemoryStore().",
    );
  }
  for (const name of REQUIRED) {
    if (typeof store[name] !== "function") {
      throw invalidArgument(
        `store.${name} must be a function: a KeyStore has ${REQUIRED.join(", ")}.`,
      );
    }
  }
  for (const name of OPTIONAL) {
    if (store[name] != null && typeof store[name] !== "function") {
      throw invalidArgument(`store.${name} must be a function, or be left out.`);
    }
  }
  const has = [...REQUIRED, ...OPTIONAL].filter((name) => typeof store[name] === "function");
  return {
    has,
    call: (op, json, context) => inContext(context ?? 0, () => callStore(store, op as Op, json)),
  };
}

/** A store that answered with something else than it promised. */
class BadAnswer extends Error {
  constructor(
    readonly code: BYOKErrorCode,
    message: string,
  ) {
    super(message);
  }
}

async function callStore(store: KeyStore, op: Op, json: string): Promise<string> {
  try {
    return JSON.stringify({ ok: await perform(store, op, JSON.parse(json)) });
  } catch (cause) {
    if (cause instanceof BadAnswer) return failure(cause.code, cause.message);
    const message = `The key store's ${op}() failed. The cause is its own exception.`;
    return failure("STORE_ERROR", message, keepCause(cause));
  }
}

function failure(code: BYOKErrorCode, message: string, causeId?: number): string {
  return JSON.stringify({ error: { code, message, retryable: false, causeId } });
}

// biome-ignore lint/suspicious/noExplicitAny: the arguments were written by the native side, a shape an op
async function perform(store: KeyStore, op: Op, args: any): Promise<unknown> {
  switch (op) {
    case "get": {
      const record: unknown = await store.get(args);
      if (record == null) return null;
      return sameId(checkRecord(record, "get()"), args);
    }
    case "set":
      await store.set(args);
      return null;
    case "delete":
      return checkBoolean(await store.delete(args), "delete()", "a record was deleted");
    case "list":
      return checkList(await store.list(args), args);
    case "replace":
      return checkBoolean(
        await store.replace?.(args.record, args.expected),
        "replace()",
        "the record was written",
      );
    case "replaceMany":
      return checkAnswers(await store.replaceMany?.(args), args.length);
    case "scan":
      return checkPage(await store.scan?.(args));
    case "close":
      await store.close?.();
      return null;
    default:
      throw new Error(`A KeyStore has no method ${String(op)}.`);
  }
}

function checkList(records: unknown, owner: { namespace: string; userId: string }): KeyRecord[] {
  if (!Array.isArray(records)) {
    throw new BadAnswer(
      "STORE_ERROR",
      `The key store's list() must resolve to an array; it gave ${kind(records)}.`,
    );
  }
  const checked = records.map((record, index) => checkRecord(record, `list()[${index}]`));
  const own = checked.filter((record) => record.namespace === owner.namespace);
  const stranger = own.findIndex((record) => record.userId !== owner.userId);
  if (stranger >= 0) {
    throw new BadAnswer(
      "BAD_RECORD",
      "The key store's list() returned a record of another user. It must compare userId exactly, case and accents included.",
    );
  }
  return own;
}

function checkPage(page: unknown): { records: KeyRecord[]; cursor?: string } {
  const { records, cursor } = (page ?? {}) as { records?: unknown; cursor?: unknown };
  if (!Array.isArray(records)) {
    throw new BadAnswer(
      "STORE_ERROR",
      "The key store's scan() must resolve to { records: [...], cursor? }; it gave no array of records.",
    );
  }
  const checked = records.map((record, index) => checkRecord(record, `scan().records[${index}]`));
  if (cursor == null) return { records: checked };
  if (typeof cursor !== "string") {
    throw new BadAnswer(
      "STORE_ERROR",
      `The key store's scan() gave a cursor that is ${kind(cursor)}; it must be a string.`,
    );
  }
  return { records: checked, cursor };
}

/** One true or false for each of `count` items. */
function checkAnswers(answers: unknown, count: number): boolean[] {
  if (!Array.isArray(answers)) {
    throw new BadAnswer(
      "STORE_ERROR",
      `The key store's replaceMany() must resolve to an array of booleans; it gave ${kind(answers)}.`,
    );
  }
  if (answers.length !== count) {
    throw new BadAnswer(
      "STORE_ERROR",
      `The key store's replaceMany() must answer for each item; it gave ${answers.length} answers for ${count} items.`,
    );
  }
  return Array.from(answers, (answer, index) =>
    checkBoolean(answer, `replaceMany()[${index}]`, "the record was written"),
  );
}

function checkBoolean(answer: unknown, method: string, meaning: string): boolean {
  if (typeof answer === "boolean") return answer;
  throw new BadAnswer(
    "STORE_ERROR",
    `The key store's ${method} must resolve to true (${meaning}) or false; it gave ${kind(answer)}.`,
  );
}

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
const STATUSES = ["active", "unverified", "invalid"];

/** A copy with exactly the fields of a record: dates as texts, nulls and other columns left out. */
function checkRecord(value: unknown, where: string): KeyRecord {
  if (typeof value !== "object" || value === null) {
    throw new BadAnswer(
      "BAD_RECORD",
      `The key store's ${where} is ${kind(value)}; it must be a record.`,
    );
  }
  const row = value as Record<string, unknown>;
  const record: Record<string, unknown> = {};
  for (const name of TEXTS) {
    if (typeof row[name] !== "string") throw badField(where, name, row[name], "a string");
    record[name] = row[name];
  }
  if (!STATUSES.includes(record["status"] as string)) {
    throw new BadAnswer(
      "BAD_RECORD",
      `${where}.status of the key store must be one of ${STATUSES.join(", ")}.`,
    );
  }
  record["createdAt"] = checkDate(row["createdAt"], where, "createdAt");
  record["updatedAt"] = checkDate(row["updatedAt"], where, "updatedAt");
  if (row["verifiedAt"] != null)
    record["verifiedAt"] = checkDate(row["verifiedAt"], where, "verifiedAt");
  const metadata = row["metadata"];
  if (metadata != null) {
    if (typeof metadata !== "object" || Array.isArray(metadata)) {
      throw badField(where, "metadata", metadata, "an object");
    }
    record["metadata"] = metadata;
  }
  return record as unknown as KeyRecord;
}

function checkDate(value: unknown, where: string, name: string): string {
  if (typeof value === "string") return value;
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  throw badField(where, name, value, "an ISO 8601 string or a Date");
}

function sameId(record: KeyRecord, id: KeyId): KeyRecord {
  for (const name of ["namespace", "userId", "provider", "label"] as const) {
    if (record[name] !== id[name]) {
      throw new BadAnswer(
        "BAD_RECORD",
        `The key store's get() returned a record with another ${name} than it was asked for. It must compare ids exactly, case and accents included.`,
      );
    }
  }
  return record;
}

function badField(where: string, name: string, value: unknown, wanted: string): BadAnswer {
  return new BadAnswer(
    "BAD_RECORD",
    `The key store's ${where} has a ${name} that is ${kind(value)}; it must be ${wanted}.`,
  );
}

/** What a value is, without showing it. */
function kind(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "undefined";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Date) return "an invalid date";
  return /^[aeiou]/.test(typeof value) ? `an ${typeof value}` : `a ${typeof value}`;
}
