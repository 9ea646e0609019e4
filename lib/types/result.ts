// What every result says beside its own, and progress.

import type { BYOKErrorCode } from "../errors.js";
import type { Warning } from "./chat.js";
import type { JsonValue } from "./key.js";

/** A key that was tried and failed before another one served. */
export interface FailedAttempt {
  provider: string;
  label: string;
  code: BYOKErrorCode;
  message: string;
  /** The provider's HTTP status; absent when it did not answer. */
  status?: number;
}

export interface ResultMeta {
  provider: string;
  /** Which of the user's keys at that provider. */
  label: string;
  /** The model that answered, as the provider names it. */
  model: string;
  /** The provider's id of the answer. */
  id?: string;
  /** The provider's id of the request, for its support. */
  requestId?: string;
  warnings: Warning[];
  /** The keys that were tried before, in order; absent without `fallback`, or when the first one served. */
  failedAttempts?: FailedAttempt[];
  /** The provider's own JSON when `includeRaw` was set; an array where the call took several requests. */
  raw?: JsonValue;
}

/** How far long work has come. */
export interface Progress {
  /** How much is done: inputs, bytes or records, as the method says. */
  done: number;
  /** Of how much; absent when that is not known. */
  total?: number;
}
