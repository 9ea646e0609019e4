// What ends a call early: a signal before and during each of its phases, cancel(), leaving a loop. The
// server must see the connection close.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";

import {
  failure,
  jsStore,
  make,
  practice,
  prompt,
  runCase,
  stalled,
  until,
  withKey,
} from "./setup.mjs";

/** The server must see the close within this time. */
const LIMIT_MS = 2000;
const controller = new AbortController();
const { signal } = controller;
const reason = new Error("the user left");

function checkAborted(error) {
  assert.equal(error.code, "ABORTED");
  assert.equal(error.name, "AbortError");
  assert.equal(error.cause, reason);
  assert.equal(getEventListeners(signal, "abort").length, 0);
}

/** Ends a request that is stalled at the server, and says how long its connection stayed. */
async function closesConnection(fault, start, end) {
  const seen = (await stalled()).length;
  const { user } = await withKey({ fault });
  const work = start(user);
  await until(async () => (await stalled()).length === seen + 1);
  const endedAt = performance.timeOrigin + performance.now();
  const outcome = await end(work);
  const { peerClosedAtMs } = await until(async () => {
    const request = (await stalled())[seen];
    return request.peerClosed && request;
  });
  const took = peerClosedAtMs - endedAt;
  assert.ok(took < LIMIT_MS, `The connection was closed after ${took} ms.`);
  console.log(`closed after ${took.toFixed(1)} ms`);
  return outcome;
}

await runCase({
  async "aborted already"() {
    controller.abort(reason);
    const asked = [];
    const store = jsStore(async (op) => void asked.push(op));
    const { byok, user } = await withKey({ store });
    asked.length = 0;
    const apiKey = practice.openaiKey;
    const id = { userId: "u", provider: "openai" };
    checkAborted(await failure(user.chat({ prompt, signal })));
    checkAborted(await failure(user.chatStream({ prompt, signal }).result));
    checkAborted(await failure(byok.listKeys({ userId: "u", signal })));
    checkAborted(await failure(byok.verifyKey({ ...id, signal })));
    checkAborted(await failure(byok.registerKey({ ...id, apiKey, signal })));
    assert.deepEqual(asked, []);
  },
  async "while the store works"() {
    const store = jsStore(() => {
      setImmediate(() => controller.abort(reason));
      return new Promise(() => {});
    });
    const { user } = await withKey({ store });
    const chat = failure(user.chat({ prompt, signal }));
    const stream = failure(user.chatStream({ prompt, signal }).result);
    checkAborted(await chat);
    checkAborted(await stream);
  },
  async "while the master key loads"() {
    const loading = new Promise(() => {});
    const byok = make({ masterKey: () => loading });
    setImmediate(() => controller.abort(reason));
    checkAborted(await failure(byok.listKeys({ userId: "u", signal })));
  },
  async "while the provider is silent"() {
    const outcome = await closesConnection(
      "/fault/stall",
      (user) => failure(user.chat({ prompt, signal })),
      (chat) => {
        assert.equal(getEventListeners(signal, "abort").length, 1);
        controller.abort(reason);
        return chat;
      },
    );
    checkAborted(outcome);
  },
  async "while a stream is silent"() {
    const outcome = await closesConnection(
      "/fault/stall-mid",
      (user) => failure(user.chatStream({ prompt, signal }).result),
      (result) => {
        controller.abort(reason);
        return result;
      },
    );
    checkAborted(outcome);
  },
  async "after the end"() {
    const { user } = await withKey();
    await user.chat({ prompt, signal });
    const stream = user.chatStream({ prompt, signal });
    for await (const _ of stream);
    await failure(user.chat({ prompt, signal, model: "no-such-model" }));
    await failure(user.chatStream({ prompt, signal, model: "no-such-model" }).result);
    assert.equal(getEventListeners(signal, "abort").length, 0);
    controller.abort(reason);
    assert.match((await stream.result).text, /Paris/);
  },
  async "cancel() before the answer"() {
    const error = await closesConnection(
      "/fault/stall",
      (user) => user.chatStream({ prompt }),
      (stream) => {
        const outcome = failure(stream.result);
        stream.cancel();
        return outcome;
      },
    );
    assert.equal(error.code, "ABORTED");
    assert.equal(error.cause, undefined);
  },
  async "leaving a loop"() {
    await closesConnection(
      "/fault/stall-mid",
      (user) => user.chatStream({ prompt }),
      async (stream) => {
        for await (const _ of stream) break;
      },
    );
  },
  async "cancelling a response's body"() {
    await closesConnection(
      "/fault/stall-mid",
      (user) => user.chatStream({ prompt }).toResponse(),
      (response) => response.body.cancel(),
    );
  },
  async "cancelling a response's body during a read"() {
    await closesConnection(
      "/fault/stall",
      (user) => user.chatStream({ prompt }).toResponse(),
      async (response) => {
        const reader = response.body.getReader();
        const read = reader.read();
        await reader.cancel();
        assert.equal((await read).done, true);
      },
    );
  },
});
