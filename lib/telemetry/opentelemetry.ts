// Traces and metrics for OpenTelemetry, by its semantic conventions for generative AI (in development, as
// of 2026). `@opentelemetry/api` is the application's; without an SDK behind it, all this does nothing.

import {
  type Attributes,
  context,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { packageVersion } from "../native.js";
import type {
  ActiveCall,
  CallFailure,
  CallResponse,
  CallStart,
  Capability,
  Telemetry,
  UsageEvent,
} from "../types.js";

export interface OpenTelemetryOptions {
  /** Default: the global one. */
  tracerProvider?: TracerProvider | undefined;
  /** Default: the global one. */
  meterProvider?: MeterProvider | undefined;
  /** Puts the application's user id into spans, as `user.id`. Default false. */
  captureUserId?: boolean | undefined;
  /** Puts prompts and answers into spans, as `byok.request` and `byok.response` (JSON). They may be long
   * and personal. Default false. Keys are in neither. */
  captureContent?: boolean | undefined;
}

/**
 * Spans and metrics of every call.
 *
 * A call is one span, `chat gpt-5-mini` of kind CLIENT, a child of the current one; with fallback each
 * attempt is a child of it. Stores, limiters and sinks of the application that are called meanwhile see
 * it as their parent where they are called on the call's behalf in JavaScript.
 *
 * @example
 * ```ts
 * import { openTelemetry } from "byok-ai/telemetry";
 * const byok = new BYOK({ masterKey, telemetry: openTelemetry() });
 * ```
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Telemetry {
  const version = packageVersion();
  const tracer = (options.tracerProvider ?? trace).getTracer("byok-ai", version);
  const meter = (options.meterProvider ?? metrics).getMeter("byok-ai", version);
  const instruments = new Instruments(meter);
  return {
    start: (call, input) => new CallSpan(call, input, tracer, instruments, options),
  };
}

const OPERATIONS: Readonly<Record<Capability, string>> = {
  chat: "chat",
  embeddings: "embeddings",
  textToSpeech: "text_to_speech",
  speechToText: "speech_to_text",
  imageGeneration: "image_generation",
};

/** The conventions' names where they differ from ours. */
const PROVIDERS: Readonly<Record<string, string>> = {
  gemini: "gcp.gemini",
  azure: "azure.ai.openai",
  bedrock: "aws.bedrock",
  mistral: "mistral_ai",
  xai: "x_ai",
};

class Instruments {
  readonly duration: Histogram;
  readonly tokens: Histogram;
  readonly firstChunk: Histogram;

  constructor(meter: Meter) {
    const seconds = [
      0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ];
    const counts = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304];
    this.duration = meter.createHistogram("gen_ai.client.operation.duration", {
      unit: "s",
      description: "Duration of calls, retries and fallback included",
      advice: { explicitBucketBoundaries: seconds },
    });
    this.tokens = meter.createHistogram("gen_ai.client.token.usage", {
      unit: "{token}",
      description: "Input and output tokens of calls",
      advice: { explicitBucketBoundaries: counts },
    });
    this.firstChunk = meter.createHistogram("gen_ai.client.operation.time_to_first_chunk", {
      unit: "s",
      description: "Time until the first piece of a streamed answer",
      advice: { explicitBucketBoundaries: seconds },
    });
  }
}

class CallSpan implements ActiveCall {
  readonly #span: Span;
  readonly #tracer: Tracer;
  readonly #instruments: Instruments;
  readonly #options: OpenTelemetryOptions;
  readonly #context;

  constructor(
    call: CallStart,
    input: () => string,
    tracer: Tracer,
    instruments: Instruments,
    options: OpenTelemetryOptions,
  ) {
    this.#tracer = tracer;
    this.#instruments = instruments;
    this.#options = options;
    const name = [OPERATIONS[call.operation], call.model].filter(Boolean).join(" ");
    const attributes = requestAttributes(call);
    if (options.captureUserId) attributes["user.id"] = call.userId;
    this.#span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes });
    this.#context = trace.setSpan(context.active(), this.#span);
    if (options.captureContent) this.#span.setAttribute("byok.request", input());
  }

  run<T>(work: () => T): T {
    return context.with(this.#context, work);
  }

  end(call: CallResponse | CallFailure, output?: () => string): void {
    const span = this.#span;
    const last = call.attempts.at(-1);
    if (call.attempts.length > 1) {
      for (const attempt of call.attempts) this.#attempt(attempt);
    }
    const attributes = responseAttributes(call, last);
    span.setAttributes(attributes);
    if (call.model === undefined && last?.model !== undefined) {
      span.updateName(`${OPERATIONS[call.operation]} ${last.model}`);
    }
    if ("error" in call) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: call.error.code });
    } else if (this.#options.captureContent && output !== undefined) {
      span.setAttribute("byok.response", output());
    }
    span.end();
    this.#record(call, last);
  }

  /** An attempt that is over already: its times are those that native code took. */
  #attempt(attempt: UsageEvent): void {
    const start = Date.parse(attempt.startedAt);
    const failed = attempt.status !== "ok";
    const span = this.#tracer.startSpan(
      `attempt ${attempt.provider}`,
      {
        kind: SpanKind.CLIENT,
        startTime: start,
        attributes: {
          "gen_ai.operation.name": OPERATIONS[attempt.capability],
          ...attemptAttributes(attempt),
          ...(failed && { "error.type": attempt.status }),
        },
      },
      this.#context,
    );
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR, message: attempt.status });
    span.end(start + attempt.durationMs);
  }

  #record(call: CallResponse | CallFailure, last: UsageEvent | undefined): void {
    const attributes: Attributes = {
      "gen_ai.operation.name": OPERATIONS[call.operation],
      "gen_ai.provider.name": providerName(last?.provider ?? call.provider),
      ...(call.model !== undefined && { "gen_ai.request.model": call.model }),
      ...(last?.model !== undefined && { "gen_ai.response.model": last.model }),
    };
    const outcome = "error" in call ? { "error.type": call.error.code } : {};
    const { duration, tokens, firstChunk } = this.#instruments;
    duration.record(call.durationMs / 1000, { ...attributes, ...outcome });
    if (last?.inputTokens !== undefined) {
      tokens.record(last.inputTokens, { ...attributes, "gen_ai.token.type": "input" });
    }
    if (last?.outputTokens !== undefined) {
      tokens.record(last.outputTokens, { ...attributes, "gen_ai.token.type": "output" });
    }
    if (call.isStream && last?.firstOutputMs !== undefined) {
      firstChunk.record(last.firstOutputMs / 1000, { ...attributes, ...outcome });
    }
  }
}

function requestAttributes(call: CallStart): Attributes {
  const { operation, provider, model, maxTokens, temperature, topP, seed, stop } = call;
  return {
    "gen_ai.operation.name": OPERATIONS[operation],
    "gen_ai.provider.name": providerName(provider),
    ...(model !== undefined && { "gen_ai.request.model": model }),
    ...(maxTokens !== undefined && { "gen_ai.request.max_tokens": maxTokens }),
    ...(temperature !== undefined && { "gen_ai.request.temperature": temperature }),
    ...(topP !== undefined && { "gen_ai.request.top_p": topP }),
    ...(seed !== undefined && { "gen_ai.request.seed": seed }),
    ...(stop !== undefined && { "gen_ai.request.stop_sequences": [...stop] }),
    ...(call.isStream && { "gen_ai.request.stream": true }),
  };
}

function responseAttributes(
  call: CallResponse | CallFailure,
  last: UsageEvent | undefined,
): Attributes {
  const attributes: Attributes = last === undefined ? {} : attemptAttributes(last);
  if (call.attempts.length > 1) attributes["byok.attempts"] = call.attempts.length;
  if ("error" in call) {
    attributes["error.type"] = call.error.code;
    if (call.error.status !== undefined) {
      attributes["http.response.status_code"] = call.error.status;
    }
    return attributes;
  }
  if (call.responseId !== undefined) attributes["gen_ai.response.id"] = call.responseId;
  if (call.finishReason !== undefined) {
    attributes["gen_ai.response.finish_reasons"] = [call.finishReason];
  }
  return attributes;
}

function attemptAttributes(attempt: UsageEvent): Attributes {
  const { model, inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = attempt;
  return {
    "gen_ai.provider.name": providerName(attempt.provider),
    "byok.key.label": attempt.label,
    ...(model !== undefined && { "gen_ai.response.model": model }),
    ...(inputTokens !== undefined && { "gen_ai.usage.input_tokens": inputTokens }),
    ...(outputTokens !== undefined && { "gen_ai.usage.output_tokens": outputTokens }),
    ...(cachedInputTokens !== undefined && {
      "gen_ai.usage.cache_read.input_tokens": cachedInputTokens,
    }),
    ...(reasoningTokens !== undefined && {
      "gen_ai.usage.reasoning.output_tokens": reasoningTokens,
    }),
    ...(attempt.retries > 0 && { "http.request.resend_count": attempt.retries }),
    ...(attempt.firstOutputMs !== undefined && {
      "gen_ai.response.time_to_first_chunk": attempt.firstOutputMs / 1000,
    }),
    ...(attempt.costNanos !== undefined && { "byok.cost_nanos": attempt.costNanos }),
  };
}

function providerName(provider: string | undefined): string {
  if (provider === undefined) return "byok";
  return PROVIDERS[provider] ?? provider;
}
