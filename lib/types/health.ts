// The health of keys and providers, and what the library tells of its own accord.

import type { BYOKErrorCode } from "../errors.js";

export interface HealthOptions {
  /** Refusals in a row (`KEY_INVALID`: 401 and the like) after which a stored key counts as invalid and is
   * not tried any more, until it is verified or replaced. 0: never. Default 1. */
  invalidAfter?: number | undefined;
  /** Tries keys again that this process found invalid, so often, in milliseconds. Default: not at all. */
  recheckMs?: number | undefined;
  /** Stops sending to a provider's origin that does not answer. `true`: with the defaults. Default off. */
  circuit?: boolean | CircuitOptions | undefined;
}

export interface CircuitOptions {
  /** Requests in a row that got no proper answer (unreachable, 5xx, timed out). Default 5. */
  failures?: number | undefined;
  /** How long nothing is sent before a probe, in milliseconds. Default 30,000. */
  openMs?: number | undefined;
}

interface KeyEvent {
  namespace: string;
  userId: string;
  provider: string;
  label: string;
}

interface OriginEvent {
  provider: string;
  origin: string;
}

interface FailureEvent {
  code: BYOKErrorCode;
  message: string;
}

/** What `byok.on` tells. Metadata only. */
export interface BYOKEvents {
  /** The provider refused a stored key; it is not used any more. */
  "key.invalid": KeyEvent;
  /** A key that was invalid was verified, or replaced. */
  "key.recovered": KeyEvent;
  /** The provider limits the rate of this key's requests. */
  "key.rateLimited": KeyEvent & { retryAfterMs?: number };
  /** Too many requests in a row failed at an origin. */
  "circuit.opened": OriginEvent;
  "circuit.closed": OriginEvent;
  /** The app's limiter could not be asked. */
  "limiter.failed": FailureEvent;
  /** Usage events could not be written, or are dropped. */
  "usage.failed": FailureEvent;
  /** What was learned of a key could not be stored. */
  "health.failed": FailureEvent;
}
