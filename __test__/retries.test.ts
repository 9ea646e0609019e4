// How often a request is sent, how long it may take, and that giving up closes the connection.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type BYOKError, type ChatEvent, MemoryStore } from "../dist/index.js";
import { failsWith, keyOf, libraryAt, PROVIDERS, providersAt } from "./support/library.js";
import { type Practice, requestsOf, stalledAt, startPractice, until } from "./support/practice.js";

const prompt = "one two three four five six seven eight nine ten eleven twelve";
let practice: Practice;
const store = new MemoryStore();
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
  const byok = libraryAt(practice, { store });
  for (const provider of PROVIDERS) {
    await byok.registerKey({ userId: "u", provider, apiKey: keyOf(practice, provider) });
  }
});
after(() => {
  for (const stop of cleanups) stop();
});

let lastMark = 0;
/** A user behind a fault, and the requests that the server has seen of this user alone. */
function behind(fault: string, more: object = {}) {
  const mark = `/fault/content-type,text%2Fx-user${++lastMark}`; // ignored, but names these requests
  const providers = providersAt(practice, `${mark}/fault/${fault}`, more);
  const requests = async () =>
    (await requestsOf(practice)).filter((request) => request.path.includes(`${mark}/`));
  return { user: libraryAt(practice, { store, providers }).use("u"), requests, mark: `${mark}/` };
}

for (const provider of PROVIDERS) {
  test(`${provider}: passing failures are retried until the answer comes, with as many requests as it takes`, async () => {
    for (const status of [408, 429, 500, 503]) {
      const chat = behind(`flaky,2,${status},chat-${provider}-${status}`);
      assert.match((await chat.user.chat({ provider, prompt: "capital of France" })).text, /Paris/);
      assert.equal((await chat.requests()).length, 3);
      const streamed = behind(`flaky,1,${status},stream-${provider}-${status}`);
      const stream = streamed.user.chatStream({ provider, prompt: "capital of France" });
      assert.match((await stream.result).text, /Paris/);
      assert.equal((await streamed.requests()).length, 2);
    }
  });

  test(`${provider}: maxRetries bounds the requests, and refusals are never sent again`, async () => {
    const cases: [string, number, number, string][] = [
      ["status,503,0.01", 0, 1, "PROVIDER_UNAVAILABLE"],
      ["status,503,0.01", 4, 5, "PROVIDER_UNAVAILABLE"],
      ["status,429,0.01", 3, 4, "PROVIDER_RATE_LIMITED"],
      ["reset", 1, 2, "PROVIDER_UNAVAILABLE"],
      ["close", 1, 2, "PROVIDER_UNAVAILABLE"],
      ["status,400", 4, 1, "PROVIDER_ERROR"],
      ["status,401", 4, 1, "KEY_INVALID"],
      ["status,403", 4, 1, "PERMISSION_DENIED"],
      ["redirect,307,%2Felsewhere", 4, 1, "PROVIDER_ERROR"],
    ];
    for (const [fault, maxRetries, wanted, code] of cases) {
      const { user, requests } = behind(fault, { maxRetries });
      await assert.rejects(user.chat({ provider, prompt }), failsWith(code));
      assert.equal((await requests()).length, wanted, fault);
      await assert.rejects(user.chatStream({ provider, prompt }).result, failsWith(code));
      assert.equal((await requests()).length, 2 * wanted, `${fault}, streamed`);
      await assert.rejects(user.chat({ provider, prompt, maxRetries: 0 }), failsWith(code));
      assert.equal((await requests()).length, 2 * wanted + 1, `${fault}, maxRetries of the call`);
    }
  });

  test(`${provider}: the wait that the provider asks for is kept, or told when it is too long`, async () => {
    const asked = behind("status,429,0.3", { maxRetries: 2 });
    await assert.rejects(asked.user.chat({ provider, prompt }), (error: BYOKError) => {
      assert.deepEqual([error.status, error.retryable, error.retryAfterMs], [429, true, 300]);
      return failsWith("PROVIDER_RATE_LIMITED")(error);
    });
    const times = (await asked.requests()).map((request) => request.atMs);
    assert.equal(times.length, 3);
    for (const [index, at] of times.slice(1).entries()) {
      assert.ok(at - (times[index] ?? at) >= 295, String(times));
    }
    const long = behind("status,429,3600", { maxRetries: 5 });
    await assert.rejects(long.user.chat({ provider, prompt }), {
      code: "PROVIDER_RATE_LIMITED",
      retryAfterMs: 3_600_000,
    });
    assert.equal((await long.requests()).length, 1);
  });

  test(`${provider}: a stream is never sent again once an event was handed on`, async () => {
    for (const fault of ["close-mid", "reset-mid", "error-mid", "no-end-mark", "stall-mid"]) {
      const { user, requests } = behind(fault, { maxRetries: 5, idleTimeoutMs: 300 });
      const seen: ChatEvent[] = [];
      await assert.rejects(async () => {
        for await (const event of user.chatStream({ provider, prompt })) seen.push(event);
      });
      assert.ok(seen.length > 0, `${fault}: half of the stream came`);
      assert.ok(seen.every((event) => event.type !== "finish"));
      assert.equal((await requests()).length, 1, fault);
    }
  });

  test(`${provider}: timeoutMs ends a call, its retries and waits included`, async () => {
    const start = Date.now();
    const stalled = behind("stall", { timeoutMs: 300 });
    await assert.rejects(
      stalled.user.chat({ provider, prompt }),
      failsWith("TIMEOUT", /timeoutMs/),
    );
    assert.ok(Date.now() - start >= 295);
    const own = behind("stall").user;
    await assert.rejects(own.chat({ provider, prompt, timeoutMs: 200 }), failsWith("TIMEOUT"));
    const waiting = behind("status,503,0.3", { maxRetries: 100, timeoutMs: 1000 });
    await assert.rejects(
      waiting.user.chat({ provider, prompt }),
      failsWith("PROVIDER_UNAVAILABLE"),
    );
    const sent = (await waiting.requests()).length;
    assert.ok(sent >= 2 && sent <= 4, `${sent} requests in a second`);
    const slow = behind("slow,20,25", { timeoutMs: 500 }).user;
    const long = { provider, prompt: prompt.repeat(10) };
    await assert.rejects(slow.chat(long), failsWith("TIMEOUT"));
    await assert.rejects(slow.chatStream(long).result, failsWith("TIMEOUT", /timeoutMs/));
    assert.ok(Date.now() - start < 20_000);
  });

  test(`${provider}: idleTimeoutMs ends a silent stream, and leaves a slow one alone`, async () => {
    const silent = behind("stall-mid", { idleTimeoutMs: 300 }).user;
    const idle = failsWith("TIMEOUT", /idleTimeoutMs/);
    await assert.rejects(silent.chatStream({ provider, prompt }).result, idle);
    const late = behind("delay,2000").user;
    await assert.rejects(late.chatStream({ provider, prompt, idleTimeoutMs: 200 }).result, idle);
    const slow = behind("slow,400,50").user.chatStream({ provider, prompt, idleTimeoutMs: 1000 });
    assert.match((await slow.result).text, /one two .* twelve/);
  });
}

const STALL: { way: string; fault: string }[] = [
  { way: "signal of a chat", fault: "stall" },
  { way: "signal of a stream", fault: "stall" },
  { way: "cancel()", fault: "stall" },
  { way: "cancel() in the middle", fault: "stall-mid" },
  { way: "break", fault: "stall-mid" },
  { way: "timeoutMs", fault: "stall" },
  { way: "idleTimeoutMs", fault: "stall-mid" },
];

for (const { way, fault } of STALL) {
  test(`${way}: a server that ${fault === "stall" ? "never answers" : "falls silent"} sees the connection close`, async () => {
    const { user, mark } = behind(fault);
    const ofMine = async (closed: boolean) =>
      (await stalledAt(practice)).find(
        (stalled) => stalled.path.includes(mark) && stalled.peerClosed === closed,
      );
    const controller = new AbortController();
    const { signal } = controller;
    const open = () => until(() => ofMine(false));
    const aborted = failsWith("ABORTED");
    if (way === "signal of a chat" || way === "signal of a stream") {
      const isChat = way === "signal of a chat";
      const pending = isChat
        ? user.chat({ prompt, signal })
        : user.chatStream({ prompt, signal }).result;
      const checked = assert.rejects(pending, aborted);
      await open();
      controller.abort();
      await checked;
    } else if (way === "break") {
      for await (const _ of user.chatStream({ prompt })) {
        await open();
        break;
      }
    } else if (way.startsWith("cancel")) {
      const stream = user.chatStream({ prompt });
      const checked = assert.rejects(stream.result, aborted);
      await open();
      stream.cancel();
      await checked;
    } else {
      const pending = user.chatStream({ prompt, [way]: 300 }).result;
      await assert.rejects(pending, failsWith("TIMEOUT"));
    }
    await until(() => ofMine(true), 2000);
  });
}

test("a signal that is aborted already sends nothing, and one during a wait ends it", async () => {
  const { user, requests } = behind("status,503,30");
  const early = user.chat({ prompt, signal: AbortSignal.abort() });
  await assert.rejects(early, failsWith("ABORTED"));
  assert.deepEqual(await requests(), []);
  const controller = new AbortController();
  const pending = user.chat({ prompt, signal: controller.signal });
  const checked = assert.rejects(pending, failsWith("ABORTED"));
  await until(async () => ((await requests()).length > 0 ? true : undefined));
  const start = Date.now();
  controller.abort();
  await checked;
  assert.ok(Date.now() - start < 2000);
  assert.equal((await requests()).length, 1);
});
