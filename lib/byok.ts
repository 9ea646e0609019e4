// The class that applications make once: option checks, key management, `use` and `close`. Everything
// that touches a key happens in native code; this object has none in any property.

import { inspect } from "node:util";
import { storeCallbacks } from "./bridge.js";
import { Engine, type Payload } from "./engine.js";
import { invalidArgument } from "./errors.js";
import { checkEvent, type Listeners, noticeCallback } from "./events.js";
import { HOOKS, prepareHealth } from "./health-options.js";
import { importKeys } from "./import.js";
import { limiterCallback } from "./limits/bridge.js";
import { prepareLimits } from "./limits/options.js";
import type { NativeStore, StoreCallbacks } from "./native.js";
import { packageVersion } from "./native.js";
import * as options from "./options.js";
import { encodeJson } from "./request.js";
import { CHECK, REWRAP } from "./rotation-options.js";
import { MemoryStore } from "./stores/memory.js";
import { nativeHandle } from "./stores/native-store.js";
import { Observer } from "./telemetry/observer.js";
import type {
  BYOKEvents,
  BYOKOptions,
  CheckOptions,
  ImportEntry,
  ImportOptions,
  ImportReport,
  KeyInfo,
  KeyOptions,
  KeyReport,
  KeyStore,
  LimitState,
  LimitsQuery,
  PriceTable,
  RegisterKeyOptions,
  RequestDefaults,
  RewrapOptions,
  RewrapReport,
  UsageEvent,
  UsageFilter,
  UsageQuery,
  UsageReport,
  UserOptions,
  VerifyKeyOptions,
} from "./types.js";
import { usageCallback } from "./usage/bridge.js";
import { ndjson, usagePages } from "./usage/export.js";
import { checkPrices, encodeUsageFilter, encodeUsageQuery, prepareUsage } from "./usage/options.js";
import { User } from "./user.js";

/**
 * Keeps users' AI provider keys sealed, and uses them.
 *
 * Make one per process and share it. Methods may be called at the same time.
 *
 * @example
 * ```ts
 * const byok = new BYOK({ masterKey: process.env.BYOK_MASTER_KEY, store: new SqliteStore("keys.db") });
 * await byok.registerKey({ userId: "user_123", provider: "openai", apiKey: "USER_PROVIDED_API_KEY" });
 * const { text } = await byok.use("user_123").chat({ prompt: "What is the capital of France?" });
 * ```
 */
export class BYOK implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #namespace: string;
  readonly #listeners: Listeners = new Map();

  /**
   * @throws BYOKError `INVALID_MASTER_KEY` for a missing or weak master key, `INVALID_ARGUMENT` naming
   * an option that is unknown or wrong
   */
  constructor(o: BYOKOptions) {
    options.checkOptions(o, options.BYOK_OPTIONS, "new BYOK()");
    const {
      namespace = "default",
      providers = {},
      prefer = [],
      http,
      callbackTimeoutMs,
      cache,
    } = o;
    const userAgent = `byok-ai/${packageVersion()}`;
    const limits = o.limits === undefined ? undefined : prepareLimits(o.limits);
    const usage = prepareUsage(o.usage);
    const health = prepareHealth(o.health);
    if (o.hooks !== undefined) options.checkOptions(o.hooks, HOOKS, "hooks");
    const config = {
      namespace,
      providers,
      prefer,
      http,
      callbackTimeoutMs,
      cache,
      userAgent,
      limits: limits?.config,
      usage: usage.config,
      health,
    };
    const [store, callbacks] = connect(o.store ?? defaultStore());
    const limiter = limits && limiterCallback(limits);
    const sink = usageCallback(usage.sink);
    const services = {
      ...(limiter && { limiter }),
      ...(sink && { usage: sink }),
      notice: noticeCallback(this.#listeners),
    };
    this.#namespace = namespace;
    this.#engine = new Engine(
      o,
      encodeJson(config, "new BYOK()"),
      { store, callbacks, usageStore: usage.store, services },
      new Observer(o.hooks, o.telemetry),
    );
  }

  /**
   * Checks a user's key with its provider, seals it and stores it. Registering again for the same user,
   * provider and label replaces the key atomically; requests under way finish with the old one.
   *
   * @throws BYOKError `KEY_REJECTED` when the provider says that the key is wrong, `PERMISSION_DENIED`,
   * `QUOTA_EXCEEDED`, `PROVIDER_RATE_LIMITED` or `PROVIDER_UNAVAILABLE` when it says otherwise. Nothing
   * is stored in any of these cases.
   */
  async registerKey(o: RegisterKeyOptions): Promise<KeyInfo> {
    const given: unknown = o?.apiKey;
    let secret: Uint8Array | undefined;
    try {
      options.checkOptions(o, options.REGISTER_KEY, "registerKey()");
      options.required(o, ["userId", "provider"], "registerKey()");
      const { apiKey, signal, ...rest } = o;
      const fields = isFields(apiKey) && { hasFields: true };
      const json = encodeJson({ ...rest, ...fields }, "registerKey()");
      secret = toBytes(apiKey, this.#engine.ready);
      return await this.#engine.call("registerKey", { json, bytes: [secret] }, signal);
    } finally {
      // Native code wipes what it was given; these wipe what it never got.
      if (given instanceof Uint8Array) given.fill(0);
      secret?.fill(0);
    }
  }

  /** Whether a key is stored. Does not say that it works. */
  async hasKey(o: KeyOptions): Promise<boolean> {
    options.checkOptions(o, options.HAS_KEY, "hasKey()");
    options.required(o, ["userId", "provider"], "hasKey()");
    return await this.#call("hasKey", o);
  }

  /** What is known about each of a user's keys, in the order of provider and label; empty for a user
   * without keys. */
  async listKeys(o: UserOptions): Promise<KeyInfo[]> {
    options.checkOptions(o, options.LIST_KEYS, "listKeys()");
    options.required(o, ["userId"], "listKeys()");
    return await this.#call("listKeys", o);
  }

  /**
   * Asks the provider whether a stored key still works, and updates its `status` and `verifiedAt`.
   *
   * @throws BYOKError `KEY_INVALID` when the provider refuses it now (it stays stored, as `invalid`),
   * `KEY_NOT_FOUND`, or why the provider could not be asked
   */
  async verifyKey(o: VerifyKeyOptions): Promise<KeyInfo> {
    options.checkOptions(o, options.VERIFY_KEY, "verifyKey()");
    options.required(o, ["userId", "provider"], "verifyKey()");
    return await this.#call("verifyKey", o);
  }

  /** Deletes a key; true when there was one. */
  async deleteKey(o: KeyOptions): Promise<boolean> {
    options.checkOptions(o, options.DELETE_KEY, "deleteKey()");
    options.required(o, ["userId", "provider"], "deleteKey()");
    return await this.#call("deleteKey", o);
  }

  /** Deletes all keys of a user in this namespace, and returns how many there were. */
  async deleteUser(o: UserOptions): Promise<number> {
    options.checkOptions(o, options.DELETE_USER, "deleteUser()");
    options.required(o, ["userId"], "deleteUser()");
    return await this.#call("deleteUser", o);
  }

  /**
   * Moves all records of the store, of all namespaces, to the current master key: the last but one step
   * of a rotation, see docs/rotation.md. The store may be in use: a record that someone changes
   * meanwhile is theirs. May be run again at any time, also after it was killed, and several at once.
   *
   * @throws BYOKError `INVALID_ARGUMENT` when the store has no `scan`, or no `replace` and `singleWriter` is
   * not set; `ABORTED`, `STORE_ERROR` and others, after which what was moved stays moved
   * @example
   * ```ts
   * const byok = new BYOK({ masterKeys: { current: newKey, previous: [oldKey] }, store });
   * const { rewrapped, failures, previousKeysNeeded } = await byok.rewrapKeys();
   * ```
   */
  async rewrapKeys(o: RewrapOptions = {}): Promise<RewrapReport> {
    options.checkOptions(o, REWRAP, "rewrapKeys()");
    return await this.#run("rewrapKeys", o);
  }

  /**
   * Says which master keys the records in the store need, and which records can't be opened. Reads only,
   * all records of all namespaces. At an application's start, `{ skipCurrent: true }` names an unknown
   * master key before a request fails on it.
   *
   * @throws BYOKError `INVALID_ARGUMENT` when the store has no `scan`
   */
  async checkKeys(o: CheckOptions = {}): Promise<KeyReport> {
    options.checkOptions(o, CHECK, "checkKeys()");
    return await this.#run("checkKeys", o);
  }

  /**
   * Takes over keys that another library sealed: opened and sealed anew in native code, stored as
   * `unverified`. An entry that can't be taken over is reported and does not stop the others.
   *
   * @param source - read as it goes, so it may be a cursor over millions of rows
   * @throws BYOKError `INVALID_ARGUMENT` for options, keys or entries of a wrong shape; `ABORTED`,
   * `STORE_ERROR` and what the source throws. What was imported until then stays.
   * @example
   * ```ts
   * const rows = await db.query("SELECT user_id, openai_key FROM users");
   * const entries = rows.map((row) => ({ userId: row.user_id, provider: "openai", encrypted: row.openai_key }));
   * const report = await byok.importKeys(entries, { format: "cloak-v1", key: process.env.CLOAK_KEY, dryRun: true });
   * ```
   */
  async importKeys(
    source: Iterable<ImportEntry> | AsyncIterable<ImportEntry>,
    o: ImportOptions,
  ): Promise<ImportReport> {
    return await importKeys(this.#engine, source, o);
  }

  /**
   * Acts with one user's keys. Reads nothing yet; a user without keys is met as `KEY_NOT_FOUND` by the
   * first request.
   *
   * @param defaults - for all requests made with what is returned. Headers are merged with a request's;
   * a request that names another provider takes no `model`, `label` or `providerOptions` from here.
   * @example
   * ```ts
   * const user = byok.use("user_123", { provider: "anthropic", maxRetries: 4 });
   * ```
   */
  use(userId: string, defaults?: RequestDefaults): User {
    const complaint = options.identifier(userId, "userId");
    if (complaint !== undefined) throw invalidArgument(`use(): ${complaint}`);
    if (defaults !== undefined) options.checkOptions(defaults, options.USER_DEFAULTS, "use()");
    return new User(this.#engine, userId, defaults && definedOf(defaults));
  }

  /**
   * What calls used, as sums over time and groups. Everything that ended before this call is in them.
   *
   * @throws BYOKError `INVALID_ARGUMENT` for a range that holds nothing, or when usage is off; the sink's own
   * @example
   * ```ts
   * const { rows } = await byok.usage({ userId: "user_123", from: "2026-11-01", groupBy: ["model"], interval: "day" });
   * ```
   */
  async usage(query: UsageQuery): Promise<UsageReport> {
    const json = encodeJson(encodeUsageQuery(query), "usage()");
    return await this.#engine.call("usage", { json, bytes: null }, query.signal);
  }

  /** The events behind the sums, in the order of time; read page by page while the loop goes on. */
  async *usageEvents(filter: UsageFilter): AsyncGenerator<UsageEvent, void, undefined> {
    for await (const page of usagePages(this.#engine, filter, "usageEvents()")) yield* page;
  }

  /**
   * The events as NDJSON, one a line.
   *
   * @example
   * ```ts
   * await writeFile("usage.ndjson", byok.exportUsage({ from: "2026-11-01" }));
   * ```
   */
  exportUsage(filter: UsageFilter): ReadableStream<Uint8Array> {
    encodeUsageFilter(filter, "exportUsage()");
    return ndjson(usagePages(this.#engine, filter, "exportUsage()"));
  }

  /** Prices for calls that end from now on; replaces the table of `usage.prices`. */
  async setPrices(prices: PriceTable): Promise<void> {
    checkPrices(prices, "setPrices()");
    const json = encodeJson(prices, "setPrices()");
    await this.#engine.call("setPrices", { json, bytes: null });
  }

  /** How the limits stand that such a call would meet, without taking anything; empty without limits. */
  async limits(query: LimitsQuery): Promise<LimitState[]> {
    options.checkOptions(query, options.LIMITS, "limits()");
    options.required(query, ["userId"], "limits()");
    return await this.#call("limits", query);
  }

  /**
   * Tells a listener of what happens apart from its calls: see {@link BYOKEvents}.
   *
   * @example
   * ```ts
   * byok.on("key.invalid", ({ userId, provider }) => mail(userId, `Your ${provider} key no longer works.`));
   * ```
   */
  on<E extends keyof BYOKEvents>(event: E, listener: (event: BYOKEvents[E]) => void): this {
    checkEvent(event, listener, "on()");
    const listeners = this.#listeners.get(event) ?? new Set();
    listeners.add(listener as (event: never) => void);
    this.#listeners.set(event, listeners);
    return this;
  }

  /** Ends what `on` began. */
  off<E extends keyof BYOKEvents>(event: E, listener: (event: BYOKEvents[E]) => void): this {
    this.#listeners.get(event)?.delete(listener as (event: never) => void);
    return this;
  }

  /** Ends what is still running with `CLOSED`, writes the usage that waits, closes connections, sink and store. Operations afterwards
   * fail with `CLOSED`; closing twice is fine. Call it before `worker.terminate()`. */
  async close(): Promise<void> {
    try {
      await this.#engine.close();
    } finally {
      // Native code would keep what listeners hold, this object among it.
      this.#listeners.clear();
    }
  }

  /** The same as `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  [inspect.custom](): string {
    const state = this.#engine.closed ? "closed" : "open";
    return `BYOK { namespace: ${inspect(this.#namespace)}, state: '${state}' }`;
  }

  async #run<T>(op: string, { signal, onProgress, ...rest }: CheckOptions): Promise<T> {
    const payload: Payload = { json: encodeJson(rest, `${op}()`), bytes: null };
    const [report] = await this.#engine.run<T>(op, payload, { signal, onProgress });
    return report;
  }

  #call<T>(op: string, { signal, ...rest }: UserOptions): Promise<T> {
    const payload: Payload = { json: encodeJson(rest, `${op}()`), bytes: null };
    return this.#engine.call(op, payload, signal);
  }
}

/** A native store is handed over as it is; any other through callbacks. */
function connect(store: KeyStore): [NativeStore | null, StoreCallbacks | null] {
  const handle = nativeHandle(store);
  return handle === undefined ? [null, storeCallbacks(store)] : [handle, null];
}

let warned = false;

function defaultStore(): KeyStore {
  if (process.env["NODE_ENV"] === "production" && !warned) {
    warned = true;
    process.emitWarning(
      "byok-ai keeps users' keys in memory only, because no store was given: they are gone when this process ends. " +
        "Pass store: new SqliteStore(path), a store of your own, or new MemoryStore() if that is what you want.",
      { code: "BYOK_MEMORY_STORE" },
    );
  }
  return new MemoryStore();
}

/** The key as bytes that native code reads and wipes. The caller's own array goes over as it is when
 * that happens before this returns; else a copy does, since the caller's is wiped at once. */
function toBytes(apiKey: RegisterKeyOptions["apiKey"], now: boolean): Uint8Array {
  if (apiKey instanceof Uint8Array) {
    if (now) return apiKey;
    const copy = Uint8Array.from(apiKey);
    apiKey.fill(0);
    return copy;
  }
  const text = isFields(apiKey) ? encodeJson(apiKey, "registerKey()") : (apiKey ?? "");
  return new TextEncoder().encode(text);
}

function isFields(apiKey: RegisterKeyOptions["apiKey"]): apiKey is Record<string, string> {
  return typeof apiKey === "object" && !(apiKey instanceof Uint8Array);
}

function definedOf(defaults: RequestDefaults): RequestDefaults {
  return Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== undefined));
}
