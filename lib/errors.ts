// The error class, its few subclasses, the table of codes, and decoding what the native side sends.
// An error holds an allowlist of fields and never a key, a URL's query, a prompt or a response body.

import { takeCause } from "./causes.js";
import type { LimitState } from "./types/limits.js";
import type { UsageEvent } from "./types/usage.js";

/** Every code, the same ones as in `crates/byok-core/src/error.rs`. Codes are added, never renamed. */
export const ERROR_CODES = [
  /** An option is missing, misspelt or of the wrong kind; the message names it. */
  "INVALID_ARGUMENT",
  /** The master key is missing, too weak, of the wrong length, or could not be loaded. */
  "INVALID_MASTER_KEY",
  /** The user has no key that could serve the request. */
  "KEY_NOT_FOUND",
  /** The provider refused the key at registration; nothing was stored. */
  "KEY_REJECTED",
  /** A stored key stopped working: the user must register a new one. */
  "KEY_INVALID",
  "UNKNOWN_PROVIDER",
  /** The provider can't do this; the message names which of the user's providers can. */
  "CAPABILITY_UNSUPPORTED",
  /** By the application's own limits. */
  "RATE_LIMITED",
  "PROVIDER_RATE_LIMITED",
  /** The user's account at the provider is out of credit or quota. */
  "QUOTA_EXCEEDED",
  /** The key is valid but may not do this. */
  "PERMISSION_DENIED",
  "MODEL_NOT_FOUND",
  "CONTEXT_TOO_LONG",
  "CONTENT_FILTERED",
  /** The provider refused the request for another reason. */
  "PROVIDER_ERROR",
  /** The provider could not be reached, or failed on its side. */
  "PROVIDER_UNAVAILABLE",
  /** The provider's answer could not be read. */
  "BAD_RESPONSE",
  /** A stream broke off before the provider had finished its answer. */
  "STREAM_INTERRUPTED",
  "TIMEOUT",
  /** Ended by an `AbortSignal`, by `cancel()` or by leaving a loop. */
  "ABORTED",
  /** A method of the key store failed; the original exception is the `cause`. */
  "STORE_ERROR",
  "STORE_TIMEOUT",
  /** The application's limiter failed or did not answer; the original exception is the `cause`. */
  "LIMITER_ERROR",
  /** A record was changed, moved to another id, or sealed under other circumstances. */
  "DECRYPT_FAILED",
  /** A record was sealed with a master key that is neither current nor previous. */
  "UNKNOWN_MASTER_KEY",
  /** What the store returned is not a record, or not the one asked for. */
  "BAD_RECORD",
  "CLOSED",
  /** A bug in this library. Please report it. */
  "INTERNAL",
] as const;

/** What went wrong, in one word that programs match on. */
export type BYOKErrorCode = (typeof ERROR_CODES)[number];

/** What an error crosses the native boundary as. */
export interface ErrorFields {
  code: BYOKErrorCode;
  message: string;
  provider?: string;
  status?: number;
  requestId?: string;
  retryable?: boolean;
  retryAfterMs?: number;
  limits?: LimitState[];
  causeId?: number;
}

/**
 * Every error that the library throws. Match on `code`; `message` says what happened and then what to
 * do, and may change.
 *
 * @example
 * ```ts
 * try {
 *   await byok.use("user_123").chat({ prompt: "Hello" });
 * } catch (error) {
 *   if (error instanceof BYOKError && error.code === "KEY_NOT_FOUND") return askForKey();
 *   throw error;
 * }
 * ```
 */
export class BYOKError extends Error {
  readonly code: BYOKErrorCode;
  /** The provider it is about; absent when it is about none. */
  declare readonly provider?: string;
  /** The provider's HTTP status; absent when it did not answer. */
  declare readonly status?: number;
  /** The provider's id of the request, for its support. */
  declare readonly requestId?: string;
  /** Whether the same call may succeed later without being changed. */
  readonly retryable: boolean;
  /** How long to wait before that, in milliseconds; absent when nobody said. */
  declare readonly retryAfterMs?: number;
  /** The numbers of the application's limits, for `RATE_LIMITED`; see `rateLimitHeaders`. */
  declare readonly limits?: readonly LimitState[];

  /** Not for applications: the library makes its errors. */
  constructor(fields: ErrorFields, options?: ErrorOptions) {
    super(fields.message, options);
    this.code = fields.code;
    this.retryable = fields.retryable ?? false;
    const { provider, status, requestId, retryAfterMs, limits } = fields;
    if (provider !== undefined) this.provider = provider;
    if (status !== undefined) this.status = status;
    if (requestId !== undefined) this.requestId = requestId;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    if (limits !== undefined) this.limits = limits;
  }

  /** The fields for a log: without stack and cause. */
  toJSON(): { name: string } & Omit<ErrorFields, "causeId"> {
    const { name, code, message, provider, status, requestId, retryable, retryAfterMs } = this;
    const { limits } = this;
    const all = {
      name,
      code,
      message,
      provider,
      status,
      requestId,
      retryable,
      retryAfterMs,
      limits,
    };
    return JSON.parse(JSON.stringify(all));
  }
}

/** The provider answered with an error, refused the key, could not be reached, or sent what can't be
 * read: an error that is about a provider and not about the call itself. */
export class ProviderError extends BYOKError {}

/** The key store failed, was too slow, or returned what is not the record asked for: `STORE_ERROR`,
 * `STORE_TIMEOUT` or `BAD_RECORD`. */
export class StoreError extends BYOKError {}

/** `code` is `ABORTED` and `name` is `AbortError`, as with `fetch`. `cause` is the signal's reason; absent
 * when it was ended by `cancel()`. */
export class AbortError extends BYOKError {}

// On the prototypes, as the language's own errors have it: not an enumerable field of each error.
for (const [type, name] of [
  [BYOKError, "BYOKError"],
  [ProviderError, "ProviderError"],
  [StoreError, "StoreError"],
  [AbortError, "AbortError"],
] as const) {
  Object.defineProperty(type.prototype, "name", {
    value: name,
    configurable: true,
    writable: true,
  });
}

const TYPES: Partial<Record<BYOKErrorCode, typeof BYOKError>> = {
  KEY_REJECTED: ProviderError,
  KEY_INVALID: ProviderError,
  PROVIDER_RATE_LIMITED: ProviderError,
  QUOTA_EXCEEDED: ProviderError,
  PERMISSION_DENIED: ProviderError,
  MODEL_NOT_FOUND: ProviderError,
  CONTEXT_TOO_LONG: ProviderError,
  CONTENT_FILTERED: ProviderError,
  PROVIDER_ERROR: ProviderError,
  PROVIDER_UNAVAILABLE: ProviderError,
  BAD_RESPONSE: ProviderError,
  STREAM_INTERRUPTED: ProviderError,
  ABORTED: AbortError,
  STORE_ERROR: StoreError,
  STORE_TIMEOUT: StoreError,
  BAD_RECORD: StoreError,
};

/** The error of the right class for what the native side sent. `cause` wins over a kept exception. */
export function decodeError(fields: ErrorFields, cause?: unknown): BYOKError {
  const kept = fields.causeId === undefined ? undefined : takeCause(fields.causeId);
  const reason = cause ?? kept;
  const type = TYPES[fields.code] ?? BYOKError;
  const error = new type(fields, reason === undefined ? undefined : { cause: reason });
  Error.captureStackTrace(error, decodeError);
  return error;
}

/** What a call did, beside its outcome, for those who asked for it. */
export function attemptsOf(text: string): UsageEvent[] {
  if (!text.includes('"attempts":')) return [];
  return (JSON.parse(text) as { attempts?: UsageEvent[] }).attempts ?? [];
}

/** Reads an envelope: the value, or the error thrown. `signal` gives an `ABORTED` error its cause. */
export function decodeEnvelope<T>(text: string, signal?: AbortSignal): T {
  const envelope = JSON.parse(text) as { ok: T } | { error: ErrorFields };
  if ("ok" in envelope) return envelope.ok;
  const error = decodeError(envelope.error, abortReason(envelope.error, signal));
  Error.captureStackTrace(error, decodeEnvelope);
  throw error;
}

/** Runs native code that throws an envelope as its message, and throws the error that is in it. A panic
 * becomes `INTERNAL`, without what it says: that could be about a key. */
export function unwrap<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('{"error":'))
      decodeEnvelope(error.message);
    if ((error as { code?: unknown } | null)?.code === "GenericFailure") throw panicked();
    throw error;
  }
}

function panicked(): BYOKError {
  const message =
    "byok-ai failed inside. This is a bug: please report it with the version and what was called.";
  return decodeError({ code: "INTERNAL", message });
}

export function abortReason(fields: ErrorFields, signal: AbortSignal | undefined): unknown {
  return fields.code === "ABORTED" && signal?.aborted ? signal.reason : undefined;
}

export function invalidArgument(message: string, cause?: unknown): BYOKError {
  const error = decodeError({ code: "INVALID_ARGUMENT", message }, cause);
  Error.captureStackTrace(error, invalidArgument);
  return error;
}

/** The error of what a signal ended. */
export function aborted(signal: AbortSignal): BYOKError {
  const error = decodeError(
    {
      code: "ABORTED",
      message: "The operation was aborted by its signal; the cause is its reason.",
    },
    signal.reason,
  );
  Error.captureStackTrace(error, aborted);
  return error;
}
