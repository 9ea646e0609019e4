// What hooks, diagnostics channels and OpenTelemetry are told of a call. Metadata only; there is no way to
// get a key.

import type { BYOKError } from "../errors.js";
import type { Capability } from "./key.js";
import type { UsageEvent } from "./usage.js";

/** A call that begins. */
export interface CallStart {
  /** Unique within the process. */
  callId: number;
  operation: Capability;
  isStream: boolean;
  userId: string;
  /** As asked for; absent when the call leaves it to the library. */
  provider?: string;
  model?: string;
  label?: string;
  /** Of the request, where it has them. */
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  seed?: number;
  stop?: readonly string[];
}

/** A call that has ended. */
export interface CallEnd extends CallStart {
  durationMs: number;
  /** Each try with one key; more than one only with fallback. Empty for a stream that was abandoned. */
  attempts: readonly UsageEvent[];
}

export interface CallResponse extends CallEnd {
  provider: string;
  /** The provider's id of the answer. */
  responseId?: string;
  requestId?: string;
  finishReason?: string;
}

export interface CallFailure extends CallEnd {
  error: BYOKError;
}

/** Functions that are told of every call. What they throw, or reject with, is reported as a warning of the
 * process once and has no effect on the call. */
export interface Hooks {
  onRequest?: ((call: CallStart) => void) | undefined;
  onResponse?: ((call: CallResponse) => void) | undefined;
  /** Also for streams that were abandoned, with `ABORTED`. */
  onError?: ((call: CallFailure) => void) | undefined;
}

/** What a telemetry system implements; `openTelemetry()` of `byok-ai/telemetry` is one. */
export interface Telemetry {
  /** Called when a call begins. `input` is the request as JSON text, for systems that were asked to keep
   * prompts. */
  start(call: CallStart, input: () => string): ActiveCall;
}

export interface ActiveCall {
  /** Runs what belongs to the call, for example with a span as the current one. */
  run<T>(work: () => T): T;
  /** `output` is the result as JSON text; absent for streams that failed. */
  end(call: CallResponse | CallFailure, output?: () => string): void;
}
