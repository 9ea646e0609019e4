// One call across the boundary: what a request becomes, how signals cancel it, and how errors return.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { inspect } from "node:util";
import type { ChatRequest, RequestDefaults } from "../dist/index.js";
import {
  AbortError,
  BYOK,
  BYOKError,
  ERROR_CODES,
  ProviderError,
  StoreError,
} from "../dist/index.js";
import { lastEngine } from "./fake-native.js";

const make = () => new BYOK({ masterKey: "k".repeat(43) });

async function sent(request: ChatRequest, defaults?: RequestDefaults) {
  const user = make().use("u", defaults);
  const engine = lastEngine();
  engine.answer = () => ({ ok: { text: "yes" } });
  assert.deepEqual(await user.chat(request), { text: "yes" });
  const [call] = engine.calls;
  assert.ok(call);
  assert.equal(call.op, "chat");
  return call;
}

test("a request crosses as one JSON text, without its signal", async () => {
  const { args, callId } = await sent({
    prompt: "hi",
    maxTokens: 5,
    seed: undefined,
    signal: new AbortController().signal,
  });
  assert.deepEqual(args, { userId: "u", prompt: "hi", maxTokens: 5 });
  assert.notEqual(callId, 0);
  assert.equal((await sent({ prompt: "hi" })).callId, 0);
});

test("defaults apply unless the request says otherwise", async () => {
  const defaults = { provider: "openai", model: "m", maxRetries: 4, headers: { a: "1", b: "2" } };
  assert.deepEqual((await sent({ prompt: "x", model: "n", headers: { b: "3" } }, defaults)).args, {
    userId: "u",
    prompt: "x",
    provider: "openai",
    model: "n",
    maxRetries: 4,
    headers: { a: "1", b: "3" },
  });
  assert.equal((await sent({ prompt: "x", model: undefined }, defaults)).args["model"], "m");
});

test("another provider does not inherit the default provider's model", async () => {
  const defaults = { provider: "openai", model: "gpt", label: "work", maxRetries: 4 };
  assert.deepEqual((await sent({ prompt: "x", provider: "anthropic" }, defaults)).args, {
    userId: "u",
    prompt: "x",
    provider: "anthropic",
    maxRetries: 4,
  });
  assert.equal((await sent({ prompt: "x", provider: "openai" }, defaults)).args["model"], "gpt");
});

test("bytes in messages travel beside the JSON and the caller's messages stay as they are", async () => {
  const image = Uint8Array.of(1, 2, 3);
  const messages = [
    { role: "system", content: "s" },
    {
      role: "user",
      content: [
        { type: "text", text: "what is this?" },
        { type: "image", image },
        { type: "file", data: Uint8Array.of(4).buffer, mediaType: "application/pdf" },
        { type: "image", image: "https://example.com/a.png" },
        { type: "image", image: new URL("https://example.com/b.png") },
        { type: "audio", data: new Blob([Uint8Array.of(5, 6)], { type: "audio/wav;codecs=1" }) },
      ],
    },
  ] satisfies ChatRequest["messages"];
  const before = inspect(messages, { depth: 9 });
  const { args, bytes } = await sent({ messages });
  assert.deepEqual((args["messages"] as { content: unknown }[])[1]?.content, [
    { type: "text", text: "what is this?" },
    { type: "image", image: { $bytes: 0 } },
    { type: "file", data: { $bytes: 1 }, mediaType: "application/pdf" },
    { type: "image", image: "https://example.com/a.png" },
    { type: "image", image: "https://example.com/b.png" },
    { type: "audio", data: { $bytes: 2 }, mediaType: "audio/wav" },
  ]);
  assert.deepEqual(
    bytes.map((item) => [...item]),
    [[1, 2, 3], [4], [5, 6]],
  );
  assert.equal(inspect(messages, { depth: 9 }), before);
  assert.deepEqual([...image], [1, 2, 3], "only keys are wiped");
});

test("half an emoji is replaced instead of making the request unreadable", async () => {
  const { args } = await sent({ prompt: "cut \ud83d", system: "a literal \\ud83d stays" });
  assert.equal(args["prompt"], "cut \ufffd");
  assert.equal(args["system"], "a literal \\ud83d stays");
});

test("options of a request are checked", async () => {
  const user = make().use("u");
  const cases: [unknown, RegExp][] = [
    [undefined, /takes an object/],
    [{ promt: "x" }, /no option promt. Did you mean prompt\?/],
    [{ prompt: "x", max_tokens: 5 }, /Did you mean maxTokens\?/],
    [{ prompt: "x", maxTokens: 0 }, /maxTokens/],
    [{ prompt: "x", temperature: "hot" }, /temperature must be a number/],
    [{ prompt: "x", toolChoice: "any" }, /toolChoice must be "auto"/],
    [{ prompt: "x", apiKey: "sk" }, /no option apiKey/],
    [{ messages: "x" }, /messages must be an array/],
    [{ prompt: "x", providerOptions: { n: 1n } }, /can't be written as JSON/],
  ];
  for (const [request, message] of cases) {
    const isRight = (error: unknown) =>
      error instanceof BYOKError &&
      error.code === "INVALID_ARGUMENT" &&
      message.test(error.message);
    await assert.rejects(user.chat(request as ChatRequest), isRight, inspect(request));
    await assert.rejects(user.chatStream(request as ChatRequest).result, isRight, inspect(request));
  }
  assert.equal(lastEngine().calls.length, 0);
});

test("an aborted signal sends nothing", async () => {
  const reason = new Error("changed my mind");
  const pending = make()
    .use("u")
    .chat({ prompt: "x", signal: AbortSignal.abort(reason) });
  await assert.rejects(pending, (error: BYOKError) => {
    assert.ok(error instanceof AbortError);
    assert.deepEqual([error.name, error.code, error.cause], ["AbortError", "ABORTED", reason]);
    return true;
  });
  assert.equal(lastEngine().calls.length, 0);
});

test("a signal cancels its own call alone and keeps no listener", async () => {
  const user = make().use("u");
  const engine = lastEngine();
  const [stopped, other] = [new AbortController(), new AbortController()];
  const first = user.chat({ prompt: "1", signal: stopped.signal });
  const second = user.chat({ prompt: "2", signal: other.signal });
  await Promise.resolve();
  assert.equal(getEventListeners(stopped.signal, "abort").length, 1);
  stopped.abort(new Error("stop"));
  await assert.rejects(
    first,
    (error: BYOKError) => error.code === "ABORTED" && error.cause === stopped.signal.reason,
  );
  assert.deepEqual(engine.cancelled, [engine.calls[0]?.callId]);
  engine.calls[1]?.settle({ ok: { text: "2" } });
  assert.equal((await second).text, "2");
  for (const { signal } of [stopped, other])
    assert.equal(getEventListeners(signal, "abort").length, 0);
  other.abort();
  assert.equal(engine.cancelled.length, 1);
});

test("many calls may share a signal, with one listener until the last is done", async () => {
  const user = make().use("u");
  const engine = lastEngine();
  const controller = new AbortController();
  const { signal } = controller;
  const pending = Array.from({ length: 20 }, () => user.chat({ prompt: "x", signal }));
  await Promise.resolve();
  assert.equal(getEventListeners(signal, "abort").length, 1);
  engine.calls[0]?.settle({ ok: { text: "done" } });
  await pending[0];
  assert.equal(getEventListeners(signal, "abort").length, 1);
  controller.abort();
  for (const call of pending.slice(1)) await assert.rejects(call, { code: "ABORTED" });
  assert.equal(engine.cancelled.length, 19);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a signal ends the wait for a master key that never comes", async () => {
  const byok = new BYOK({ masterKey: () => new Promise(() => {}) });
  const controller = new AbortController();
  const pending = byok.listKeys({ userId: "u", signal: controller.signal });
  controller.abort();
  await assert.rejects(pending, { code: "ABORTED" });
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("an error keeps its fields and shows the caller in its stack", async () => {
  const user = make().use("u");
  lastEngine().answer = () => ({
    error: {
      code: "PROVIDER_RATE_LIMITED",
      message: "slow down",
      provider: "openai",
      status: 429,
      requestId: "req_1",
      retryable: true,
      retryAfterMs: 1500,
    },
  });
  async function theCallersFunction() {
    await user.chat({ prompt: "x" });
  }
  const error = await theCallersFunction().then(
    () => assert.fail("it should have failed"),
    (reason: BYOKError) => reason,
  );
  assert.ok(error instanceof BYOKError && error instanceof ProviderError && error instanceof Error);
  assert.match(error.stack ?? "", /theCallersFunction/);
  assert.doesNotMatch(error.stack ?? "", /at decode/);
  const fields = {
    name: "ProviderError",
    code: "PROVIDER_RATE_LIMITED",
    message: "slow down",
    provider: "openai",
    status: 429,
    requestId: "req_1",
    retryable: true,
    retryAfterMs: 1500,
  };
  assert.deepEqual(error.toJSON(), fields);
  assert.deepEqual(JSON.parse(JSON.stringify(error)), fields);
});

test("absent fields of an error are no properties", async () => {
  const user = make().use("u");
  lastEngine().answer = () => ({
    error: { code: "KEY_NOT_FOUND", message: "none", retryable: false },
  });
  const error = await user.chat({ prompt: "x" }).then(
    () => assert.fail("it should have failed"),
    (reason: BYOKError) => reason,
  );
  assert.deepEqual(Object.keys(error).sort(), ["code", "retryable"]);
  assert.equal(error.name, "BYOKError");
  assert.ok(!("cause" in error));
});

test("each code that is about the store is a StoreError", async () => {
  const user = make().use("u");
  for (const code of ERROR_CODES) {
    lastEngine().answer = () => ({ error: { code, message: code, retryable: false } });
    const error = await user.chat({ prompt: "x" }).then(
      () => assert.fail("it should have failed"),
      (reason: BYOKError) => reason,
    );
    assert.equal(error.code, code);
    assert.equal(
      error instanceof StoreError,
      ["STORE_ERROR", "STORE_TIMEOUT", "BAD_RECORD"].includes(code),
    );
  }
});
