// The conformance suite of providers: what every provider must do with a key, an answer and a failure,
// as named cases for any test runner. It plays the provider on a local server, so the fixtures only say
// what a good answer looks like. The cases themselves stand in the folder of the same name.

import type { BYOK } from "../byok.js";
import type { Capability } from "../types/key.js";
import type { ProviderOptions } from "../types.js";
import { answerCases } from "./provider/answers.js";
import { CALLS, type CallKind, callsOf } from "./provider/calls.js";
import { Context } from "./provider/context.js";
import { failureCases } from "./provider/failures.js";
import { interruptionCases } from "./provider/interruptions.js";
import { keyCases } from "./provider/keys.js";
import { requestCases } from "./provider/requests.js";
import type { SeenRequest } from "./provider/server.js";
import { Stage } from "./provider/stage.js";
import { streamCases } from "./provider/streams.js";

/** An answer of the provider's, as it comes over the wire. */
export interface AnswerFixture {
  /** An object is sent as JSON. */
  body: string | Uint8Array | object;
  /** Default `application/json`. */
  contentType?: string | undefined;
}

/** An answer that is streamed. */
export interface StreamFixture {
  /** Server-sent events, or audio. */
  body: string | Uint8Array;
  /** Default `text/event-stream`. */
  contentType?: string | undefined;
}

export interface CapabilityFixture {
  /** What the provider answers to a request for one thing: one text, one vector, one image. A function for
   * answers that depend on the request. */
  answer: AnswerFixture | ((request: SeenRequest) => AnswerFixture);
  /** What it answers to `chatStream` or `textToSpeechStream`. Default for speech: `answer`. Needed for
   * chat unless the provider can't stream. */
  stream?: StreamFixture | undefined;
  /** Merged over the suite's own request, for models and options that this provider needs. */
  request?: Record<string, unknown> | undefined;
  /** Whether requests name a model. Default true; false for an API that has one only. */
  takesModel?: boolean | undefined;
  /** Whether the answers say what was consumed. Default true for chat, else false. */
  usage?: boolean | undefined;
}

export interface ProviderConformanceOptions {
  /** The provider's name in `providers`. */
  provider: string;
  /** Makes a BYOK, with a store of its own, whose provider has these settings, which lead to the suite's
   * server. Called once, and closed after the last case. */
  create(settings: ProviderOptions): BYOK | Promise<BYOK>;
  /** What each capability answers; the capabilities of the provider and no others. */
  capabilities: Partial<Record<Capability, CapabilityFixture>>;
  /** The header that carries the key. Without it the suite only checks that it is one. */
  credential?: { header: string; prefix?: string | undefined } | undefined;
  /** The credential's fields beside the key. */
  fields?: Record<string, string> | undefined;
  /** Codes for statuses that mean something else here than usual. */
  statuses?: Record<number, string> | undefined;
}

export interface ProviderCase {
  /** A sentence: the provider's name, the call and what it does. */
  name: string;
  /** Rejects when the provider does otherwise. `skip` is called with the reason instead when the case does
   * not apply. */
  run(skip?: (reason: string) => void): Promise<void>;
}

export interface CaseDefinition {
  does: string;
  /** The calls it is for; all when absent. */
  calls?: readonly CallKind[];
  run(context: Context): Promise<string | undefined>;
}

const OF_CALLS: readonly CaseDefinition[] = [
  ...requestCases,
  ...answerCases,
  ...failureCases,
  ...interruptionCases,
  ...streamCases,
];

/**
 * The cases that a provider must pass, for a runner of your choice.
 *
 * @example
 * ```ts
 * const cases = providerConformance({
 *   provider: "acme",
 *   create: (settings) =>
 *     new BYOK({ masterKey, store: new MemoryStore(), providers: { acme: { type: acme, ...settings } } }),
 *   credential: { header: "x-acme-key" },
 *   capabilities: { chat: { answer: { body: { output: "Hi", tokens: { in: 1, out: 1 } } } } },
 * });
 * for (const { name, run } of cases) test(name, () => run());
 * ```
 */
export function providerConformance(options: ProviderConformanceOptions): ProviderCase[] {
  const calls = callsOf(options.capabilities);
  const all: [subject: string, definition: CaseDefinition, call: CallKind][] = [];
  for (const definition of keyCases) all.push(["registerKey", definition, calls[0] ?? "chat"]);
  for (const call of calls) {
    for (const definition of OF_CALLS) {
      if (definition.calls?.includes(call) ?? true) all.push([call, definition, call]);
    }
  }
  const stage = new Stage(all.length, options.create);
  return all.map(([subject, definition, call]) => ({
    name: `${options.provider}, ${subject}: ${definition.does}`,
    run: (skip) => runCase(options, stage, definition, call, skip),
  }));
}

/**
 * Registers the cases with a runner's `test` function: that of `node:test`, or another that takes a
 * name and an async function. Under `node:test`, a case that doesn't apply is shown as skipped.
 */
export function registerProviderConformance(
  test: (name: string, run: (context?: unknown) => Promise<void>) => unknown,
  options: ProviderConformanceOptions,
): void {
  for (const { name, run } of providerConformance(options)) {
    test(name, (context) => {
      const runner = context as { skip?: (reason: string) => void } | null | undefined;
      return run(typeof runner?.skip === "function" ? (why) => runner.skip?.(why) : undefined);
    });
  }
}

function runCase(
  options: ProviderConformanceOptions,
  stage: Stage,
  definition: CaseDefinition,
  call: CallKind,
  skip: ((reason: string) => void) | undefined,
): Promise<void> {
  const fixture = options.capabilities[CALLS[call].capability] ?? { answer: { body: {} } };
  return stage.perform(async (server, byok) => {
    const reason = await definition.run(new Context(options, call, fixture, server, byok));
    if (reason !== undefined) skip?.(reason);
  });
}
