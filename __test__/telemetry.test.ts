// Hooks, diagnostics channels and OpenTelemetry over the real addon and the practice provider.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import type {
  BYOK,
  BYOKOptions,
  CallFailure,
  CallResponse,
  CallStart,
  KeyRecord,
  KeyStore,
} from "../dist/index.js";
import { openTelemetry } from "../dist/telemetry/opentelemetry.js";
import { failsWith, libraryAt, providersAt } from "./support/library.js";
import { type Practice, startPractice } from "./support/practice.js";

const prompt = "What is the capital of France? It is a secret.";
const CANARY = "practice-nobody-canary7f3a9c2e5b8d";
let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
after(() => {
  for (const stop of cleanups) stop();
});

async function observed(options: Partial<BYOKOptions>): Promise<BYOK> {
  const byok = libraryAt(practice, { health: {}, ...options });
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: practice.openaiKey });
  return byok;
}

function exporters() {
  const spans = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(spans)],
  });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  return { spans, tracerProvider, meterProvider, exporter };
}

const parentOf = (span: ReadableSpan | undefined) => span?.parentSpanContext?.spanId;
const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId;

test("hooks hear of every call, and never of what it says", async () => {
  const started: CallStart[] = [];
  const answered: CallResponse[] = [];
  const failed: CallFailure[] = [];
  const hooks = {
    onRequest: (call: CallStart) => void started.push(call),
    onResponse: (call: CallResponse) => void answered.push(call),
    onError: (call: CallFailure) => void failed.push(call),
  };
  const byok = await observed({ hooks });
  const user = byok.use("u");
  const whole = await user.chat({ prompt, model: "gpt-5-mini", maxTokens: 100 });
  await user.chatStream({ prompt }).result;
  await assert.rejects(user.chat({ prompt, provider: "gemini" }), failsWith("KEY_NOT_FOUND"));
  const halfway = await observed({
    hooks,
    providers: {
      openai: {
        baseURL: `${practice.origin}/fault/stall-mid/openai/v1`,
        allowPrivateNetwork: true,
      },
    },
  });
  const stream = halfway.use("u").chatStream({ prompt });
  for await (const event of stream) if (event.type === "text-delta") break;
  const controller = new AbortController();
  const aborted = user.chat({ prompt, signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(aborted, failsWith("ABORTED"));

  assert.deepEqual(
    started.map((call) => [call.operation, call.isStream, call.userId]),
    [
      ["chat", false, "u"],
      ["chat", true, "u"],
      ["chat", false, "u"],
      ["chat", true, "u"],
      ["chat", false, "u"],
    ],
  );
  const [first, second] = answered;
  assert.ok(first && second);
  assert.equal(first.callId, started[0]?.callId);
  assert.deepEqual([first.model, first.maxTokens, first.provider], ["gpt-5-mini", 100, "openai"]);
  assert.equal(first.requestId, whole.requestId);
  assert.equal(first.attempts[0]?.inputTokens, whole.usage.inputTokens);
  assert.ok(second.attempts[0]?.firstOutputMs !== undefined);
  assert.deepEqual(
    failed.map(({ error }) => error.code),
    ["KEY_NOT_FOUND", "ABORTED", "ABORTED"],
  );
  assert.doesNotMatch(inspect([started, answered, failed], { depth: null }), /secret|Paris/);
  await byok.close();
  await halfway.close();
});

test("what a hook throws reaches a warning and no call", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on("warning", onWarning);
  const fail = () => {
    throw new Error("a broken hook");
  };
  const rejecting = async () => fail();
  const byok = await observed({
    hooks: { onRequest: fail, onResponse: rejecting, onError: fail },
    telemetry: { start: () => ({ run: fail as <T>(work: () => T) => T, end: fail }) },
  });
  assert.match((await byok.use("u").chat({ prompt })).text, /Paris/);
  assert.match((await byok.use("u").chatStream({ prompt }).result).text, /Paris/);
  await assert.rejects(
    byok.use("u").chat({ prompt, provider: "gemini" }),
    failsWith("KEY_NOT_FOUND"),
  );
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", onWarning);
  assert.equal(warnings.filter((warning) => /broken hook/.test(warning.message)).length, 1);
  await byok.close();
});

test("diagnostics channels trace calls and tell events, for as long as somebody listens", async () => {
  const byok = await observed({});
  const heard: string[] = [];
  const events: unknown[] = [];
  const channel = tracingChannel("byok-ai:call");
  const note = (name: string) => () => void heard.push(name);
  const handlers = {
    start: note("start"),
    end: note("end"),
    asyncStart: note("asyncStart"),
    asyncEnd: note("asyncEnd"),
    error: note("error"),
  };
  const onEvent = (event: unknown) => void events.push(event);
  channel.subscribe(handlers);
  subscribe("byok-ai:event", onEvent);
  await byok.use("u").chat({ prompt });
  assert.deepEqual(heard, ["start", "end", "asyncStart", "asyncEnd"]);
  heard.length = 0;
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: CANARY, validate: false });
  await assert.rejects(byok.use("u").chat({ prompt }), failsWith("KEY_INVALID"));
  assert.deepEqual(heard, ["start", "end", "error", "asyncStart", "asyncEnd"]);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal((events[0] as { type: string }).type, "key.invalid");
  channel.unsubscribe(handlers);
  unsubscribe("byok-ai:event", onEvent);
  heard.length = 0;
  await assert.rejects(byok.use("u").chat({ prompt }), failsWith("KEY_INVALID"));
  assert.equal(heard.length, 0);
  await byok.close();
});

test("OpenTelemetry gets a span a call, under the current one, and metrics", async () => {
  const { spans, tracerProvider, meterProvider, exporter } = exporters();
  const byok = await observed({ telemetry: openTelemetry({ tracerProvider, meterProvider }) });
  const tracer = tracerProvider.getTracer("app");
  const result = await tracer.startActiveSpan("request", async (parent) => {
    const result = await byok.use("u").chat({ prompt, model: "gpt-5-mini", temperature: 0.5 });
    await byok.use("u").chatStream({ prompt }).result;
    await byok
      .use("u")
      .chat({ prompt, provider: "gemini" })
      .catch(() => {});
    parent.end();
    return result;
  });
  const [whole, streamed, failed, parent] = spans.getFinishedSpans();
  assert.equal(parent?.name, "request");
  for (const span of [whole, streamed, failed]) {
    assert.equal(parentOf(span), idOf(parent));
    assert.equal(span?.kind, SpanKind.CLIENT);
  }
  assert.equal(whole?.name, "chat gpt-5-mini");
  assert.deepEqual(
    { ...whole?.attributes },
    {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-5-mini",
      "gen_ai.request.temperature": 0.5,
      "gen_ai.response.model": result.model,
      "gen_ai.response.id": result.id,
      "gen_ai.response.finish_reasons": ["stop"],
      "gen_ai.usage.input_tokens": result.usage.inputTokens,
      "gen_ai.usage.output_tokens": result.usage.outputTokens,
      ...(result.usage.cachedInputTokens !== undefined && {
        "gen_ai.usage.cache_read.input_tokens": result.usage.cachedInputTokens,
      }),
      ...(result.usage.reasoningTokens !== undefined && {
        "gen_ai.usage.reasoning.output_tokens": result.usage.reasoningTokens,
      }),
      "byok.key.label": "default",
    },
  );
  assert.match(streamed?.name ?? "", /^chat gpt/);
  assert.equal(streamed?.attributes["gen_ai.request.stream"], true);
  assert.ok(Number(streamed?.attributes["gen_ai.response.time_to_first_chunk"]) >= 0);
  assert.equal(failed?.status.code, SpanStatusCode.ERROR);
  assert.equal(failed?.attributes["error.type"], "KEY_NOT_FOUND");

  await meterProvider.forceFlush();
  const metrics = exporter.getMetrics().flatMap((all) => all.scopeMetrics[0]?.metrics ?? []);
  const points = (name: string) =>
    metrics.find((metric) => metric.descriptor.name === name)?.dataPoints ?? [];
  const count = (name: string) =>
    points(name).reduce((sum, point) => sum + (point.value as { count: number }).count, 0);
  assert.equal(count("gen_ai.client.operation.duration"), 3);
  assert.equal(count("gen_ai.client.token.usage"), 4);
  assert.equal(count("gen_ai.client.operation.time_to_first_chunk"), 1);
  assert.ok(
    points("gen_ai.client.operation.duration").some(
      (point) => point.attributes["error.type"] === "KEY_NOT_FOUND",
    ),
  );
  await byok.close();
});

test("retries are on the span, and with fallback each attempt is a child of it", async () => {
  const { spans, tracerProvider } = exporters();
  const byok = libraryAt(practice, {
    prefer: ["openai"],
    telemetry: openTelemetry({ tracerProvider }),
    providers: {
      ...providersAt(practice),
      gemini: {
        baseURL: `${practice.origin}/fault/flaky,1,503,spans/gemini/v1beta`,
        allowPrivateNetwork: true,
      },
    },
  });
  await byok.registerKey({
    userId: "u",
    provider: "gemini",
    apiKey: practice.geminiKey,
    validate: false,
  });
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: CANARY, validate: false });
  await byok.use("u", { fallback: true }).chat({ prompt });
  const [refused, served, call] = spans.getFinishedSpans();
  assert.equal(call?.attributes["byok.attempts"], 2);
  assert.equal(call?.attributes["gen_ai.provider.name"], "gcp.gemini");
  assert.equal(call?.attributes["http.request.resend_count"], 1);
  assert.equal(call?.status.code, SpanStatusCode.UNSET);
  assert.deepEqual([parentOf(refused), parentOf(served)], [idOf(call), idOf(call)]);
  assert.deepEqual([refused?.name, served?.name], ["attempt openai", "attempt gemini"]);
  assert.equal(refused?.attributes["error.type"], "KEY_INVALID");
  assert.equal(served?.attributes["http.request.resend_count"], 1);
  await byok.close();
});

test("a store of the app's is called in the call's context, however native code comes to it", async () => {
  const { spans, tracerProvider } = exporters();
  const storage = new AsyncLocalStorage<string>();
  const records = new Map<string, KeyRecord>();
  const seen: [string | undefined, string | undefined][] = [];
  const name = (id: { userId: string; provider: string }) => `${id.userId}/${id.provider}`;
  const store: KeyStore = {
    get: async (id) => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push([storage.getStore(), trace.getActiveSpan()?.spanContext().spanId]);
      return records.get(name(id));
    },
    set: async (record) => void records.set(name(record), record),
    delete: async (id) => records.delete(name(id)),
    list: async () => [...records.values()],
  };
  const byok = await observed({ store, telemetry: openTelemetry({ tracerProvider }) });
  const call = (request: string) =>
    storage.run(request, () => byok.use("u").chat({ prompt, provider: "openai" }));
  await Promise.all([call("one"), call("two")]);
  const ids = spans.getFinishedSpans().map(idOf).sort();
  assert.deepEqual(seen.map(([request]) => request).sort(), ["one", "two"]);
  assert.deepEqual(seen.map(([, span]) => span).sort(), ids);
  await byok.close();
});

test("content is in spans only when it is asked for, and a key never is", async () => {
  const { spans, tracerProvider, meterProvider, exporter } = exporters();
  const plain = openTelemetry({ tracerProvider, meterProvider });
  const full = openTelemetry({
    tracerProvider,
    meterProvider,
    captureContent: true,
    captureUserId: true,
  });
  for (const telemetry of [plain, full]) {
    const byok = await observed({ telemetry });
    await byok.registerKey({
      userId: "u",
      provider: "openai",
      label: "bad",
      apiKey: CANARY,
      validate: false,
    });
    const user = byok.use("u");
    await user.chat({ prompt, label: "default" });
    await assert.rejects(user.chat({ prompt, label: "bad" }), failsWith("KEY_INVALID"));
    await assert.rejects(user.chatStream({ prompt, label: "bad" }).result);
    await assert.rejects(
      byok.registerKey({ userId: "u", provider: "openai", apiKey: CANARY }),
      failsWith("KEY_REJECTED"),
    );
    await byok.close();
    const text = inspect(
      spans.getFinishedSpans().map(({ name, attributes, events, status }) => ({
        name,
        attributes,
        events,
        status,
      })),
      { depth: null, maxStringLength: null, maxArrayLength: null },
    );
    assert.equal(/It is a secret/.test(text), telemetry === full);
    assert.equal(/Paris/.test(text), telemetry === full);
    assert.equal(/'user.id': 'u'/.test(text), telemetry === full);
    assert.doesNotMatch(text, /canary7f3|a9c2e5b8/);
    spans.reset();
  }
  await meterProvider.forceFlush();
  assert.doesNotMatch(
    inspect(exporter.getMetrics(), { depth: null, maxStringLength: null, maxArrayLength: null }),
    /canary7f3|a9c2e5b8|secret/,
  );
});
