// Records in Redis, through the application's own `ioredis` or `redis` client: one hash of all records, by
// id, and one sorted set of all ids for lists and walks. Scripts write both at once.

import { createHash } from "node:crypto";
import { invalidArgument } from "../errors.js";
import { checkOptions } from "../options.js";
import type { KeyId, KeyRecord, KeyStore, Replacement, ScanPage } from "../types.js";
import { fromRow, idValues, toRow } from "./record-row.js";
import { requireMethods } from "./table.js";
import { decode, encode, idKey, type ScanOptions } from "./walk.js";

/** A client or cluster of `ioredis`. */
export interface IoredisClient {
  hget(key: string, field: string): Promise<unknown>;
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  evalsha(sha1: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** A client, pool or cluster of `redis`. */
export interface NodeRedisClient {
  hGet(key: string, field: string): Promise<unknown>;
  eval(script: string, options: ScriptOptions): Promise<unknown>;
  evalSha(sha1: string, options: ScriptOptions): Promise<unknown>;
}

interface ScriptOptions {
  keys: string[];
  arguments: string[];
}

export interface RedisStoreOptions {
  /** What the names of the two keys begin with: 1 to 200 characters. Default `"{byok}:"`; the braces keep
   * both on one node of a cluster. */
  prefix?: string | undefined;
}

/** Records of one script: Redis serves nobody else while it runs. */
const BATCH = 500;
/** How many records one scan looks at, left out ones included. */
const SCAN_BUDGET = 2_000;

/**
 * Keeps sealed records in Redis (6.2 or newer, or Valkey). The client stays the application's:
 * `byok.close()` leaves it connected.
 *
 * Redis must keep what it is given: `maxmemory-policy noeviction`, and persistence (`appendonly yes`). A record
 * takes about 1 KB of its memory.
 *
 * Every method is one round trip; `replaceMany` is one for each 500 records.
 *
 * @example
 * ```ts
 * import { createClient } from "redis";
 * const redis = await createClient({ url: process.env.REDIS_URL }).connect();
 * const byok = new BYOK({ masterKey: process.env.BYOK_MASTER_KEY, store: new RedisStore(redis) });
 * ```
 */
export class RedisStore implements KeyStore {
  readonly #client: IoredisClient | NodeRedisClient;
  /** The hash and the sorted set. */
  readonly #keys: [records: string, ids: string];

  /** @throws BYOKError `INVALID_ARGUMENT` for another kind of client or an impossible prefix */
  constructor(client: IoredisClient | NodeRedisClient, options: RedisStoreOptions = {}) {
    const where = "new RedisStore()";
    const own = (client as Partial<NodeRedisClient> | undefined)?.evalSha !== undefined;
    const methods = own ? ["hGet", "eval", "evalSha"] : ["hget", "eval", "evalsha"];
    requireMethods(client, methods, where, "a client of ioredis or redis");
    checkOptions(options, { prefix: (value, path) => complaint(value, path) }, where);
    const { prefix = "{byok}:" } = options;
    this.#client = client;
    this.#keys = [`${prefix}records`, `${prefix}ids`];
  }

  async get(id: KeyId): Promise<KeyRecord | null> {
    const [records] = this.#keys;
    const field = idKey(id);
    const client = this.#client;
    const value = await ("evalSha" in client
      ? client.hGet(records, field)
      : client.hget(records, field));
    return value == null ? null : fromValue(field, value);
  }

  async set(record: KeyRecord): Promise<void> {
    await this.#script(SET, [idKey(record), toValue(record)]);
  }

  async delete(id: KeyId): Promise<boolean> {
    return Number(await this.#script(DELETE, [idKey(id)])) > 0;
  }

  async list({ namespace, userId }: { namespace: string; userId: string }): Promise<KeyRecord[]> {
    // Every id of this user begins with this text, and no other's does.
    const first = JSON.stringify([namespace, userId]).slice(0, -1);
    return pairs(await this.#script(LIST, [`[${first},`, `(${first}-`]));
  }

  async replace(record: KeyRecord, expected: { sealed: string }): Promise<boolean> {
    return (await this.replaceMany([{ record, expected }]))[0] === true;
  }

  async replaceMany(items: readonly Replacement[]): Promise<boolean[]> {
    const answers: boolean[] = [];
    for (let start = 0; start < items.length; start += BATCH) {
      const args = items
        .slice(start, start + BATCH)
        .flatMap(({ record, expected }) => [
          idKey(record),
          beginning(expected.sealed),
          toValue(record),
        ]);
      const swapped = (await this.#script(REPLACE, args)) as unknown[];
      answers.push(...swapped.map((answer) => Number(answer) === 1));
    }
    return answers;
  }

  async scan({ cursor, limit, notPrefix = "" }: ScanOptions): Promise<ScanPage> {
    if (!Number.isInteger(limit) || limit < 1) {
      throw invalidArgument("`limit` of a scan must be a whole number of at least 1.");
    }
    const after = cursor === undefined ? "-" : `(${lastIn(cursor)}`;
    const budget = notPrefix === "" ? Math.min(limit, SCAN_BUDGET) : SCAN_BUDGET;
    // `["` and the text as it stands in JSON, without the quotation mark at its end.
    const left = notPrefix === "" ? "" : `[${JSON.stringify(notPrefix).slice(0, -1)}`;
    const args = [after, String(Math.min(limit, SCAN_BUDGET)), String(budget), left];
    const [last, ...found] = (await this.#script(SCAN, args)) as unknown[];
    const records = pairs(found);
    return String(last) === "" ? { records } : { records, cursor: encode([String(last)]) };
  }

  async #script({ text, sha1 }: Script, args: string[]): Promise<unknown> {
    const client = this.#client;
    const keys = this.#keys;
    const run = (known: boolean): Promise<unknown> => {
      if ("evalSha" in client) {
        const options = { keys, arguments: args };
        return known ? client.evalSha(sha1, options) : client.eval(text, options);
      }
      return known
        ? client.evalsha(sha1, keys.length, ...keys, ...args)
        : client.eval(text, keys.length, ...keys, ...args);
    };
    try {
      return await run(true);
    } catch (error) {
      // A server that does not have the script yet, or was started again.
      if (!(error instanceof Error) || !error.message.includes("NOSCRIPT")) throw error;
      return await run(false);
    }
  }
}

interface Script {
  text: string;
  sha1: string;
}

function script(text: string): Script {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

const SET = script(`
redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
redis.call("ZADD", KEYS[2], 0, ARGV[1])
return 1`);

const DELETE = script(`
redis.call("ZREM", KEYS[2], ARGV[1])
return redis.call("HDEL", KEYS[1], ARGV[1])`);

const LIST = script(`
local result = {}
for _, id in ipairs(redis.call("ZRANGEBYLEX", KEYS[2], ARGV[1], ARGV[2])) do
  local value = redis.call("HGET", KEYS[1], id)
  if value then
    result[#result + 1] = id
    result[#result + 1] = value
  end
end
return result`);

/** Three arguments an item: the id, what the stored value must begin with, and the new value. */
const REPLACE = script(`
local result = {}
for n = 1, #ARGV, 3 do
  local value = redis.call("HGET", KEYS[1], ARGV[n])
  local expected = ARGV[n + 1]
  if value and string.sub(value, 1, #expected) == expected then
    redis.call("HSET", KEYS[1], ARGV[n], ARGV[n + 2])
    result[#result + 1] = 1
  else
    result[#result + 1] = 0
  end
end
return result`);

/** Where to begin, how many records to give, how many to look at, and what values to leave out begin
 * with. Gives where the next page begins, or an empty text, and then ids and values. */
const SCAN = script(`
local most, budget, left = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local ids = redis.call("ZRANGEBYLEX", KEYS[2], ARGV[1], "+", "LIMIT", 0, budget)
local result = { "" }
for n, id in ipairs(ids) do
  local value = redis.call("HGET", KEYS[1], id)
  if value and (left == "" or string.sub(value, 1, #left) ~= left) then
    result[#result + 1] = id
    result[#result + 1] = value
  end
  if #result > 2 * most or n == budget then
    result[1] = id
    break
  end
end
return result`);

/** A JSON array that begins with `sealed`, so that scripts compare it without parsing. */
function toValue(record: KeyRecord): string {
  const [, , , , ...others] = toRow(record);
  return JSON.stringify(others);
}

function beginning(sealed: string): string {
  return `[${JSON.stringify(sealed)},`;
}

function fromValue(field: unknown, value: unknown): KeyRecord {
  const parse = (text: unknown): unknown[] => {
    try {
      const parts: unknown = JSON.parse(String(text));
      return Array.isArray(parts) ? parts : [];
    } catch {
      // Edited by somebody: a record without fields is refused further on.
      return [];
    }
  };
  return fromRow([...idValues(idOf(parse(field))), ...parse(value)]);
}

function idOf([namespace, userId, provider, label]: unknown[]): KeyId {
  return { namespace, userId, provider, label } as KeyId;
}

/** Ids and values in turn. */
function pairs(found: unknown): KeyRecord[] {
  const flat = found as unknown[];
  const records: KeyRecord[] = [];
  for (let n = 0; n + 1 < flat.length; n += 2) records.push(fromValue(flat[n], flat[n + 1]));
  return records;
}

function lastIn(cursor: string): string {
  const [last, ...rest] = decode(cursor);
  if (last === undefined || rest.length > 0) {
    throw invalidArgument(
      "`cursor` is not one that this store's scan returned. Leave it out to begin a new scan.",
    );
  }
  return last;
}

function complaint(value: unknown, path: string): string | undefined {
  return typeof value === "string" && value.length >= 1 && value.length <= 200
    ? undefined
    : `${path} must be a string of 1 to 200 characters.`;
}
