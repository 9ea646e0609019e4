// What the constructor and `use` take.

import type { HealthOptions } from "./health.js";
import type { Capability, JsonObject } from "./key.js";
import type { Limits } from "./limits.js";
import type { KeyStore } from "./store.js";
import type { Hooks, Telemetry } from "./telemetry.js";
import type { UsageOptions } from "./usage.js";

/** Gets a master key from a KMS or a secret manager: 32 bytes, or a text that `masterKey` would take.
 * The bytes are wiped once they have been read. */
export type MasterKeyLoader = () => Promise<Uint8Array | string>;

/** 32 random bytes, or 64 hex characters, or base64 / base64url of 32 bytes (`npx byok-ai keygen`),
 * or a function that gets one. Byte arrays are filled with zeros once they have been read. */
export type MasterKey = string | Uint8Array | MasterKeyLoader;

export interface MasterKeys {
  /** Seals new records. */
  current: MasterKey | undefined;
  /** Still open records that were sealed earlier. */
  previous: readonly MasterKey[];
}

export interface BYOKOptions {
  /** What all users' keys are sealed with. `undefined` (an unset variable) compiles, and throws
   * `INVALID_MASTER_KEY`. Give this or `masterKeys`. */
  masterKey?: MasterKey | undefined;
  /** For the rotation of master keys: one that seals and those that may still open. */
  masterKeys?: MasterKeys | undefined;
  /** Where sealed records live. Default: a new `MemoryStore`, which forgets everything when the
   * process ends, with one warning when `NODE_ENV` is `production`. */
  store?: KeyStore | undefined;
  /** Tells tenants or environments that share one store apart: 1 to 512 bytes, default `"default"`.
   * Records are bound to it: under another namespace they don't open. */
  namespace?: string | undefined;
  /** Settings of built-in providers, and providers of your own, by name. */
  providers?: Record<string, ProviderOptions | CustomProvider> | undefined;
  /** Which provider serves a request that names none, when the user has keys of several: the first of
   * these that can. Default: the newest key. */
  prefer?: readonly string[] | undefined;
  /** Connections, for all providers. */
  http?: HttpOptions | undefined;
  /** Upper bound for each call of a `KeyStore`, limiter or usage sink, in milliseconds. Default 10,000. */
  callbackTimeoutMs?: number | undefined;
  /** Keeps records in memory for a short while, as they are stored: sealed. Without it, every request
   * asks the store, which is the right thing for most. */
  cache?: CacheOptions | undefined;
  /** How often, how much, how many at once, for how much money. Default: no limits. */
  limits?: Limits | undefined;
  /** How calls are counted, and what they cost. `false` counts nothing. Default: the latest events in
   * memory. */
  usage?: UsageOptions | false | undefined;
  /** Which keys and providers are worth a request. */
  health?: HealthOptions | undefined;
  /** Told of every call. */
  hooks?: Hooks | undefined;
  /** Traces and metrics: `openTelemetry()` of `byok-ai/telemetry`. */
  telemetry?: Telemetry | undefined;
}

/** A cache of sealed records in this process.
 *
 * A write through any `BYOK` of the process, in any of its threads, is seen at once. One of another process (or
 * by hand in the database, or straight through the store's own methods) is seen after at most `ttlMs`:
 * that long a key that was deleted or replaced there can still be used here. Users without keys are not
 * cached, so a first key works at once everywhere. */
export interface CacheOptions {
  /** How long a record is served after it was read, in milliseconds. Default 10,000. */
  ttlMs?: number | undefined;
  /** How many records are kept at most, about 1 KB each. Default 10,000. */
  maxEntries?: number | undefined;
}

/** Settings of the HTTP client, which all providers share. */
export interface HttpOptions {
  /** How long an unused connection is kept, in milliseconds. Default 15,000. A kept connection may hold
   * the bytes of the last request's headers, the key among them, until it is closed. */
  poolIdleTimeoutMs?: number | undefined;
  /** Largest response, decompressed, in bytes. Default 64 MiB. */
  maxResponseBytes?: number | undefined;
  /** Largest single event of a stream, in bytes. Default 1 MiB. */
  maxEventBytes?: number | undefined;
  /** `http:` or `https:` URL of a proxy for all requests. The environment's is never used. */
  proxy?: string | undefined;
  /** Certificates (PEM) trusted besides the system's. */
  extraRootCertificates?: string | undefined;
}

/** Settings of one provider, for all users. */
export interface ProviderOptions {
  /** Where requests go instead of the provider's own address: a gateway, a test server. `https:` only,
   * unless `allowPrivateNetwork` is set. */
  baseURL?: string | undefined;
  /** Upper bound of a whole call in milliseconds: retries, waits and the whole answer included, also
   * that of a stream. Default 600,000. */
  timeoutMs?: number | undefined;
  /** Upper bound of the silence between two chunks of a stream, in milliseconds. Default 300,000. */
  idleTimeoutMs?: number | undefined;
  /** Upper bound for connecting, in milliseconds. Default 10,000. */
  connectTimeoutMs?: number | undefined;
  /** How often a failed request is sent again (connection errors, 408, 409, 429, 5xx), with
   * exponential backoff or as long as the provider asks. Never once a stream has begun. Default 2. */
  maxRetries?: number | undefined;
  /** The model of requests that name none, by capability. */
  defaultModels?: Partial<Record<Capability, string>> | undefined;
  /** Sent with every request. Never credentials: `authorization`, `x-api-key` and the like are refused. */
  headers?: Record<string, string> | undefined;
  /** Allows `http:` and private, loopback and link-local addresses: for Ollama and tests. Default false. */
  allowPrivateNetwork?: boolean | undefined;
  /** Allows `registerKey({ baseURL })` for this provider. Default false. */
  allowUserBaseURL?: boolean | undefined;
}

/** A provider that speaks a protocol this library knows, under a name of yours. */
export interface CustomProvider extends ProviderOptions {
  /** The Chat Completions protocol of OpenAI, which most services and local servers speak. */
  type: "openai-compatible";
  /** Everything before `/chat/completions`. */
  baseURL: string;
}

/** What every request to a provider takes; also the defaults of `use(userId, defaults)`. */
export interface RequestDefaults {
  /** Which of the user's providers. Default: the first of `prefer` that can serve the request, else
   * the one whose key is the newest. */
  provider?: string | undefined;
  /** Which of the user's keys at that provider. Default `"default"`. */
  label?: string | undefined;
  /** The provider's own name of a model; any name is passed on. Default: `defaultModels` of the
   * provider, else one that the library picks. */
  model?: string | undefined;
  /** Upper bound of the whole call in milliseconds: retries, waits and the whole answer included, also
   * that of a stream. */
  timeoutMs?: number | undefined;
  /** Upper bound of the silence between two chunks of a stream, in milliseconds. */
  idleTimeoutMs?: number | undefined;
  /** How often a failed request is sent again. */
  maxRetries?: number | undefined;
  /** Sent with the request. Never credentials. */
  headers?: Record<string, string> | undefined;
  /** Fields of the provider's own request, merged over ours at the top level (objects deeply). */
  providerOptions?: JsonObject | undefined;
  /** Puts the provider's own JSON into `raw` of the result. Default false. */
  includeRaw?: boolean | undefined;
  /** Goes on with the user's next key that can serve the request when the provider or the key fails:
   * refused keys, no quota, rate limits, outages and time-outs, but not a bad request, and nothing once a
   * stream has begun. First come the other labels of the same provider, then other providers: those of a list in
   * its order, with `true` those of `prefer` and then the newest. `model`, `voice` and `providerOptions`
   * are for the first provider alone. Default false. */
  fallback?: boolean | readonly string[] | undefined;
}

/** What every request to a provider takes. */
export interface RequestOptions extends RequestDefaults {
  /** Ends the request with `ABORTED`, whose `cause` is the signal's reason, and closes the connection. */
  signal?: AbortSignal | undefined;
}

/** What `user.fetch(provider, options)` takes. */
export interface FetchOptions {
  /** Which of the user's keys at that provider. Default `"default"`, else the newest. */
  label?: string | undefined;
}

/** What `user.forward(request, options)` takes. */
export interface ForwardOptions {
  /** Whose API the client speaks. Default: the provider of `use(userId, { provider })`. */
  provider?: string | undefined;
  /** Which of the user's keys at that provider. Default `"default"`, else the newest. */
  label?: string | undefined;
  /** Path and query at the provider, from its root: `/v1/chat/completions`. Default: those of the
   * request. */
  path?: string | undefined;
  /** The body, where a parser has read it already: bytes and texts are sent as they are, anything else as
   * JSON. Default: the request's own, as it arrives. */
  body?: unknown;
  /** Ends the request. A client that goes away does so too. */
  signal?: AbortSignal | undefined;
}
