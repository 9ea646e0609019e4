// A stream in all its forms: one reader, nothing pulled ahead, one outcome, and nothing left behind.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { BYOK, type BYOKError, type ChatEvent } from "../dist/index.js";
import { FakeStream, lastEngine } from "./fake-native.js";

const delta = (text: string): ChatEvent => ({ type: "text-delta", text });
const USAGE = { inputTokens: 1, outputTokens: 2, totalTokens: 3 };
const FINISH: ChatEvent = { type: "finish", finishReason: "stop", usage: USAGE };
const RESULT = { text: "abc", usage: USAGE };
/** As native code writes them. */
const wire = (events: ChatEvent[]) =>
  events.map((event) => (event.type === "text-delta" ? event.text : event));
const batch = (...events: ChatEvent[]) => ({ ok: { events: wire(events) } });
const last = (...events: ChatEvent[]) => ({ ok: { events: wire(events), result: RESULT } });
const WHOLE = () => [batch(delta("a"), delta("b")), batch(), batch(delta("c")), last(FINISH)];
const FAILURE = {
  error: {
    code: "STREAM_INTERRUPTED",
    message: "cut off",
    status: 200,
    provider: "openai",
    retryable: true,
  },
};

function open(script: object[], signal?: AbortSignal) {
  const user = new BYOK({ masterKey: "k".repeat(43) }).use("u");
  const native = new FakeStream(script);
  lastEngine().nextStream = native;
  return { native, stream: user.chatStream({ prompt: "x", signal }), engine: lastEngine() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

test("a loop gets every event in order and the result beside it", async () => {
  const { stream, native } = open(WHOLE());
  const { result } = stream;
  assert.deepEqual(await all(stream), [delta("a"), delta("b"), delta("c"), FINISH]);
  assert.deepEqual(await result, RESULT);
  assert.equal(native.concurrentPulls, 0);
  assert.equal(native.cancelled, false);
});

test("textStream gives the texts alone", async () => {
  const { stream } = open(WHOLE());
  assert.deepEqual(await all(stream.textStream), ["a", "b", "c"]);
  assert.deepEqual(await stream.result, RESULT);
});

test("the result comes without reading, and reading still works afterwards", async () => {
  const { stream } = open(WHOLE());
  assert.deepEqual(await stream.result, RESULT);
  assert.deepEqual(await stream.result, RESULT);
  assert.deepEqual(await all(stream.textStream), ["a", "b", "c"]);
});

test("nothing is pulled before somebody reads, and no more than they read", async () => {
  const { stream, native, engine } = open(WHOLE());
  await turn();
  assert.equal(engine.opened.length, 1, "the request itself is under way");
  assert.equal(native.pulls, 0);
  const iterator = stream[Symbol.asyncIterator]();
  await iterator.next();
  await turn();
  assert.equal(native.pulls, 1);
  await iterator.next();
  await turn();
  assert.equal(native.pulls, 1);
  await iterator.next();
  assert.equal(native.pulls, 3, "past the empty batch");
});

test("next called many times at once answers in order", async () => {
  const { stream, native } = open(WHOLE());
  const iterator = stream[Symbol.asyncIterator]();
  const answers = await Promise.all(Array.from({ length: 7 }, () => iterator.next()));
  assert.deepEqual(
    answers.map(({ done, value }) =>
      done ? "done" : value.type === "text-delta" ? value.text : value.type,
    ),
    ["a", "b", "c", "finish", "done", "done", "done"],
  );
  assert.equal(native.concurrentPulls, 0);
});

test("a second reader is told who the first is", async () => {
  const { stream } = open(WHOLE());
  await all(stream);
  const isRight = { code: "INVALID_ARGUMENT", message: /already read by a loop over its events/ };
  assert.throws(() => stream[Symbol.asyncIterator](), isRight);
  assert.throws(() => stream.toResponse(), isRight);
  assert.throws(() => stream.toReadableStream(), isRight);
  await assert.rejects(all(stream.textStream), isRight);
  assert.deepEqual(await stream.result, RESULT);
});

test("leaving the loop cancels, and the result rejects with ABORTED", async () => {
  const { stream, native } = open(WHOLE());
  for await (const event of stream) {
    assert.deepEqual(event, delta("a"));
    break;
  }
  assert.equal(native.cancelled, true);
  await assert.rejects(stream.result, { code: "ABORTED", name: "AbortError" });
});

test("leaving the loop after the last event cancels nothing", async () => {
  const { stream, native } = open(WHOLE());
  for await (const event of stream) if (event.type === "finish") break;
  assert.equal(native.cancelled, false);
  assert.deepEqual(await stream.result, RESULT);
});

test("cancel ends a pending read and the result with ABORTED", async () => {
  const { stream, native } = open([batch(delta("a"))]);
  const iterator = stream[Symbol.asyncIterator]();
  await iterator.next();
  const pending = iterator.next();
  await turn();
  stream.cancel();
  stream.cancel();
  assert.equal(native.cancelled, true);
  await assert.rejects(pending, { code: "ABORTED" });
  await assert.rejects(stream.result, { code: "ABORTED" });
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
});

test("return during a pending read ends it quietly", async () => {
  const { stream, native } = open([]);
  const iterator = stream[Symbol.asyncIterator]();
  const pending = iterator.next();
  await turn();
  await iterator.return?.();
  assert.deepEqual(await pending, { done: true, value: undefined });
  assert.equal(native.cancelled, true);
});

test("an error in the middle reaches reader and result alike, after what came before it", async () => {
  const { stream } = open([batch(delta("a")), FAILURE]);
  const seen: ChatEvent[] = [];
  async function theReader() {
    for await (const event of stream) seen.push(event);
  }
  const error = await theReader().then(
    () => assert.fail("it should have failed"),
    (reason: BYOKError) => reason,
  );
  assert.deepEqual(seen, [delta("a")]);
  assert.equal(error.code, "STREAM_INTERRUPTED");
  assert.match(error.stack ?? "", /theReader/);
  assert.equal(await stream.result.catch((reason) => reason), error);
});

test("a failed stream that nobody looks at is no unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const listen = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", listen);
  const { stream } = open([FAILURE]);
  void stream.result;
  new BYOK({ masterKey: () => Promise.reject(new Error("down")) })
    .use("u")
    .chatStream({ prompt: "x" });
  await turn();
  await turn();
  process.off("unhandledRejection", listen);
  assert.deepEqual(unhandled, []);
});

test("a signal ends the stream with its reason and keeps no listener", async () => {
  const controller = new AbortController();
  const { stream, native } = open([batch(delta("a"))], controller.signal);
  const reading = all(stream);
  await turn();
  const reason = new Error("user left");
  controller.abort(reason);
  await assert.rejects(
    reading,
    (error: BYOKError) => error.code === "ABORTED" && error.cause === reason,
  );
  await assert.rejects(stream.result, { code: "ABORTED" });
  assert.equal(native.cancelled, true);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);

  const finished = new AbortController();
  await open(WHOLE(), finished.signal).stream.result;
  assert.equal(getEventListeners(finished.signal, "abort").length, 0);
});

test("a signal that is aborted already opens nothing", async () => {
  const { stream, engine } = open(WHOLE(), AbortSignal.abort());
  await assert.rejects(all(stream), { code: "ABORTED" });
  assert.equal(engine.opened.length, 0);
});

test("cancel before a master key arrived opens nothing, or closes what it opened", async () => {
  let release = (_: string) => {};
  const byok = new BYOK({ masterKey: () => new Promise((resolve) => (release = resolve)) });
  const native = new FakeStream(WHOLE());
  lastEngine().nextStream = native;
  const stream = byok.use("u").chatStream({ prompt: "x" });
  stream.cancel();
  await assert.rejects(stream.result, { code: "ABORTED" });
  release("m");
  await turn();
  assert.equal(native.cancelled, lastEngine().opened.length === 1);
  assert.equal(native.pulls, 0);
});

test("toReadableStream gives one JSON text a line, pulled as it is read", async () => {
  const { stream, native } = open(WHOLE());
  const reader = stream.toReadableStream().getReader();
  await turn();
  assert.equal(native.pulls, 0);
  const { value } = await reader.read();
  assert.equal(
    new TextDecoder().decode(value),
    `${JSON.stringify(delta("a"))}\n${JSON.stringify(delta("b"))}\n`,
  );
  await turn();
  assert.equal(native.pulls, 1);
  reader.releaseLock();
});

test("toReadableStream fails where the stream fails", async () => {
  const { stream } = open([batch(delta("a")), FAILURE]);
  await assert.rejects(new Response(stream.toReadableStream()).text(), {
    code: "STREAM_INTERRUPTED",
  });
});

test("toResponse is server-sent events to the byte", async () => {
  const { stream } = open(WHOLE());
  const response = stream.toResponse();
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.match(response.headers.get("cache-control") ?? "", /no-cache/);
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  const expected = [delta("a"), delta("b"), delta("c"), FINISH];
  assert.equal(
    await response.text(),
    expected.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""),
  );
  assert.deepEqual(await stream.result, RESULT);
});

test("toResponse takes the application's status and headers", () => {
  const init = { status: 201, headers: { "cache-control": "private", "x-mine": "1" } };
  const { status, headers } = open(WHOLE()).stream.toResponse(init);
  assert.equal(status, 201);
  assert.equal(headers.get("cache-control"), "private");
  assert.equal(headers.get("x-mine"), "1");
  assert.equal(headers.get("content-type"), "text/event-stream");
});

test("an error in a response is an event with code and message, and nothing else", async () => {
  const text = await open([batch(delta("a")), FAILURE])
    .stream.toResponse()
    .text();
  assert.equal(
    text,
    `data: {"type":"text-delta","text":"a"}\n\nevent: error\ndata: {"type":"error","code":"STREAM_INTERRUPTED","message":"cut off"}\n\n`,
  );
});

test("a client that goes away cancels the request", async () => {
  const { stream, native } = open([batch(delta("a"))]);
  const reader = stream.toResponse().body?.getReader();
  await reader?.read();
  const pending = reader?.read();
  await turn();
  await reader?.cancel();
  assert.equal((await pending)?.done, true);
  assert.equal(native.cancelled, true);
  await assert.rejects(stream.result, { code: "ABORTED" });
});

test("await using closes a stream that was not read to its end", async () => {
  const { stream, native } = open(WHOLE());
  await stream[Symbol.asyncDispose]();
  assert.equal(native.cancelled, true);
});
