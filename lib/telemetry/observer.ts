// Tells hooks, diagnostics channels and a telemetry system of calls. Nothing that a listener does can reach
// the call: what they throw becomes one warning of the process. When nobody listens, a call costs a look at
// two flags.

import { tracingChannel } from "node:diagnostics_channel";
import { BYOKError, decodeError } from "../errors.js";
import type {
  ActiveCall,
  CallFailure,
  CallResponse,
  CallStart,
  Capability,
  Hooks,
  Telemetry,
  UsageEvent,
} from "../types.js";

/** `tracing:byok-ai:call:start`, `:end`, `:asyncStart`, `:asyncEnd` and `:error`. The message is the call,
 * and gets `result` or `error` when it has ended. */
const channel = tracingChannel<unknown, CallMessage>("byok-ai:call");

export interface CallMessage {
  call: CallStart;
  result?: CallResponse;
  error?: BYOKError;
}

const OPERATIONS: Readonly<Record<string, Capability>> = {
  chat: "chat",
  chatStream: "chat",
  embed: "embeddings",
  textToSpeech: "textToSpeech",
  textToSpeechStream: "textToSpeech",
  speechToText: "speechToText",
  generateImage: "imageGeneration",
};

export class Observer {
  readonly #hooks: Hooks | undefined;
  readonly #telemetry: Telemetry | undefined;
  #lastCallId = 0;

  constructor(hooks: Hooks | undefined, telemetry: Telemetry | undefined) {
    this.#hooks = hooks;
    this.#telemetry = telemetry;
  }

  /** Whether anybody listens to calls. */
  get active(): boolean {
    return (
      this.#hooks !== undefined || this.#telemetry !== undefined || channel.hasSubscribers === true
    );
  }

  /** A call that begins; nothing for operations that are no calls of a provider. */
  begin(op: string, json: string): Observed | undefined {
    const operation = OPERATIONS[op];
    if (operation === undefined) return undefined;
    this.#lastCallId += 1;
    const call = describe(this.#lastCallId, operation, op.endsWith("Stream"), json);
    return new Observed(call, json, this.#hooks, this.#telemetry);
  }
}

/** One call that is listened to. It ends once. */
export class Observed {
  readonly #call: CallStart;
  readonly #hooks: Hooks | undefined;
  readonly #message: CallMessage;
  readonly #active: ActiveCall | undefined;
  readonly #started = performance.now();
  #ended = false;

  constructor(
    call: CallStart,
    json: string,
    hooks: Hooks | undefined,
    telemetry: Telemetry | undefined,
  ) {
    this.#call = call;
    this.#hooks = hooks;
    this.#message = { call };
    this.#active = guard(() => telemetry?.start(call, () => json));
    guard(() => hooks?.onRequest?.(call));
  }

  /** Runs what begins the call, with the telemetry's context as the current one. */
  run<T>(work: () => T): T {
    const begin = () => channel.start.runStores(this.#message, work);
    try {
      const active = this.#active;
      if (active === undefined) return begin();
      // A telemetry system that fails must not keep the call from being made, nor make it twice.
      let made: { value: T } | { error: unknown } | undefined;
      guard(() =>
        active.run(() => {
          try {
            made = { value: begin() };
          } catch (error) {
            made = { error };
          }
        }),
      );
      if (made === undefined) return begin();
      if ("error" in made) throw made.error;
      return made.value;
    } finally {
      guard(() => channel.end.publish(this.#message));
    }
  }

  succeeded(result: unknown, attempts: readonly UsageEvent[], output?: () => string): void {
    if (this.#ended) return;
    this.#ended = true;
    const { id, requestId, finishReason, provider } = (result ?? {}) as Record<string, string>;
    const end: CallResponse = {
      ...this.#call,
      provider: provider ?? attempts.at(-1)?.provider ?? this.#call.provider ?? "",
      durationMs: performance.now() - this.#started,
      attempts,
      ...(id != null && { responseId: id }),
      ...(requestId != null && { requestId }),
      ...(finishReason != null && { finishReason }),
    };
    this.#message.result = end;
    this.#settle();
    guard(() => this.#active?.end(end, output));
    guard(() => this.#hooks?.onResponse?.(end));
  }

  failed(reason: unknown, attempts: readonly UsageEvent[]): void {
    if (this.#ended) return;
    this.#ended = true;
    const error =
      reason instanceof BYOKError
        ? reason
        : decodeError(
            { code: "INTERNAL", message: "The call failed with a foreign error." },
            reason,
          );
    const durationMs = performance.now() - this.#started;
    const end: CallFailure = { ...this.#call, durationMs, attempts, error };
    this.#message.error = error;
    guard(() => channel.error.publish(this.#message));
    this.#settle();
    guard(() => this.#active?.end(end));
    guard(() => this.#hooks?.onError?.(end));
  }

  #settle(): void {
    guard(() => channel.asyncStart.publish(this.#message));
    guard(() => channel.asyncEnd.publish(this.#message));
  }
}

let warned = false;

/** What a listener throws, or rejects with, ends here. */
function guard<T>(listen: () => T): T | undefined {
  try {
    const value = listen();
    if (value instanceof Promise) value.catch(warn);
    return value;
  } catch (error) {
    warn(error);
    return undefined;
  }
}

function warn(error: unknown): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    `A hook or telemetry system of byok-ai threw: ${error instanceof Error ? error.message : String(error)}. Calls go on; further ones are not reported.`,
    { code: "BYOK_HOOK_FAILED" },
  );
}

/** What is told of a request; of its content nothing. */
function describe(
  callId: number,
  operation: Capability,
  isStream: boolean,
  json: string,
): CallStart {
  const request = JSON.parse(json) as Record<string, unknown>;
  const call: Record<string, unknown> = { callId, operation, isStream, userId: request["userId"] };
  for (const name of ["provider", "model", "label", "maxTokens", "temperature", "topP", "seed"]) {
    if (request[name] !== undefined) call[name] = request[name];
  }
  if (request["stop"] !== undefined) call["stop"] = [request["stop"]].flat();
  return call as unknown as CallStart;
}
