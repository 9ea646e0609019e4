// Limits that many processes share, counted in Redis: one script a call, so that all rules are decided at
// once, by Redis' own clock. Keys expire as soon as they say nothing any more.

import { invalidArgument } from "../errors.js";
import { checkOptions } from "../options.js";
import type { LimitAnswer, LimitClaim, LimitCorrection, Limiter } from "../types.js";
import { type Script, SETTLE, TAKE } from "./scripts.js";

/** A client or cluster of `ioredis`. */
export interface IoredisScripts {
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  evalsha(sha1: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** A client, pool or cluster of `redis`. */
export interface NodeRedisScripts {
  eval(script: string, o: { keys: string[]; arguments: string[] }): Promise<unknown>;
  evalSha(sha1: string, o: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

export interface RedisLimiterOptions {
  /** What the names of keys begin with. Default `"{byok-limits}:"`; the braces keep all keys on one node
   * of a cluster, which a script needs. */
  prefix?: string | undefined;
  /** A script that has not answered after so many milliseconds counts as failed. Default 1,000. */
  timeoutMs?: number | undefined;
}

/**
 * Counts limits in Redis (6.2 or newer, or Valkey). The client stays the application's: `byok.close()`
 * leaves it connected.
 *
 * A call is one round trip before it and, where something has to be corrected, one after it, off its path.
 *
 * @example
 * ```ts
 * import { Redis } from "ioredis";
 * const byok = new BYOK({
 *   masterKey: process.env.BYOK_MASTER_KEY,
 *   limits: {
 *     rules: [{ per: "user", requests: 60, windowMs: 60_000 }],
 *     limiter: new RedisLimiter(new Redis(process.env.REDIS_URL)),
 *     whenUnavailable: "allow",
 *   },
 * });
 * ```
 */
export class RedisLimiter implements Limiter {
  readonly #client: IoredisScripts | NodeRedisScripts;
  readonly #prefix: string;
  readonly #timeoutMs: number;

  /** @throws BYOKError `INVALID_ARGUMENT` for another kind of client */
  constructor(client: IoredisScripts | NodeRedisScripts, options: RedisLimiterOptions = {}) {
    const { evalsha, evalSha } = (client ?? {}) as unknown as Record<string, unknown>;
    if (typeof evalsha !== "function" && typeof evalSha !== "function") {
      throw invalidArgument("new RedisLimiter() takes a client of ioredis or redis.");
    }
    checkOptions(options, OPTIONS, "new RedisLimiter()");
    this.#client = client;
    this.#prefix = options.prefix ?? "{byok-limits}:";
    this.#timeoutMs = options.timeoutMs ?? 1_000;
  }

  async take(claims: readonly LimitClaim[]): Promise<LimitAnswer> {
    return JSON.parse(await this.#run(TAKE, claims)) as LimitAnswer;
  }

  async settle(corrections: readonly LimitCorrection[]): Promise<void> {
    await this.#run(SETTLE, corrections);
  }

  async #run(script: Script, claims: readonly LimitClaim[]): Promise<string> {
    const keys = claims.map((claim) => this.#prefix + claim.key);
    const answer = this.#evaluate(script, keys, JSON.stringify(claims));
    return String(await withinTime(answer, this.#timeoutMs));
  }

  /** By the script's hash; with its text where Redis does not know it (yet, or after a restart). */
  async #evaluate({ text, sha }: Script, keys: string[], json: string): Promise<unknown> {
    const client = this.#client;
    const options = { keys, arguments: [json] };
    try {
      return await ("evalSha" in client
        ? client.evalSha(sha, options)
        : client.evalsha(sha, keys.length, ...keys, json));
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
    }
    return "evalSha" in client
      ? client.eval(text, options)
      : client.eval(text, keys.length, ...keys, json);
  }
}

const OPTIONS = {
  prefix: (value: unknown, path: string) =>
    typeof value === "string" && value.length <= 200
      ? undefined
      : `${path} must be a string of at most 200 characters.`,
  timeoutMs: (value: unknown, path: string) =>
    Number.isSafeInteger(value) && (value as number) >= 1
      ? undefined
      : `${path} must be a whole number of milliseconds.`,
};

/** A client that is reconnecting keeps commands waiting: calls must not wait as long. */
async function withinTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Redis did not answer within ${timeoutMs} ms.`)),
      timeoutMs,
    );
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
