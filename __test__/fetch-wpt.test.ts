// What the web-platform-tests of fetch ask of a client of this kind, written after them: fetch/api/basic,
// headers, request, response, abort and redirect. What is about origins, CORS, caches, referrers and service
// workers has no meaning here.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BYOK, MemoryStore } from "../dist/index.js";
import { MASTER } from "./support/library.js";
import { until } from "./support/practice.js";
import { type Answer, headerOf, startWireServer, type WireServer } from "./support/wire-server.js";

let server: WireServer;
let byok: BYOK;
let fetch: typeof globalThis.fetch;
let answer: Answer;
let url: string;

before(async () => {
  server = await startWireServer((...all) => answer(...all));
  const openai = { baseURL: `${server.origin}/v1`, allowPrivateNetwork: true };
  byok = new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers: { openai } });
  const apiKey = "a-real-key-0123456789abcdef";
  await byok.registerKey({ userId: "u", provider: "openai", apiKey, validate: false });
  fetch = byok.use("u").fetch("openai");
  url = `${server.origin}/v1/x`;
});
beforeEach(() => {
  answer = (_, response) => void response.end("body");
  server.asked.length = 0;
});
after(async () => {
  await byok.close();
  server.stop();
});

// fetch/api/basic

test("accept-header: */* unless the caller has one", async () => {
  await fetch(url);
  assert.equal(headerOf(server.asked[0], "accept"), "*/*");
  await fetch(url, { headers: { accept: "custom/*" } });
  assert.equal(headerOf(server.asked[1], "accept"), "custom/*");
});

test("request-upload: content type of each kind of body", async () => {
  for (const [body, type] of [
    ["text", "text/plain;charset=UTF-8"],
    [new URLSearchParams("a=b"), "application/x-www-form-urlencoded;charset=UTF-8"],
    [new Blob(["x"], { type: "text/maybe" }), "text/maybe"],
    [new Blob(["x"]), undefined],
    [new Uint8Array(3), undefined],
  ] as const) {
    await fetch(url, { method: "POST", body });
    assert.equal(headerOf(server.asked.at(-1), "content-type"), type);
  }
  const form = new FormData();
  form.append("a", "b");
  await fetch(url, { method: "POST", body: form });
  assert.match(
    headerOf(server.asked.at(-1), "content-type") ?? "",
    /^multipart\/form-data; ?boundary=/,
  );
});

test("request-head and http-response-code: any status is an answer", async () => {
  for (const status of [200, 201, 299, 400, 404, 418, 500, 599]) {
    answer = (_, response) => void response.writeHead(status).end();
    const response = await fetch(url);
    assert.deepEqual([response.status, response.ok], [status, status < 300]);
  }
});

test("response-url: without fragment, and as it was sent", async () => {
  assert.equal((await fetch(`${url}?a=1&b#c`)).url, `${url}?a=1&b`);
});

test("stream-response and stream-safe-creation: a body can be read by a reader to its end", async () => {
  const response = await fetch(url);
  const reader = response.body?.getReader();
  assert.ok(response.body?.locked);
  assert.throws(() => response.body?.getReader(), TypeError);
  let text = "";
  for (;;) {
    const read = await reader?.read();
    if (read === undefined || read.done) break;
    assert.ok(read.value instanceof Uint8Array);
    text += Buffer.from(read.value).toString();
  }
  assert.equal(text, "body");
  await reader?.closed;
});

test("text-utf8: a byte order mark is left out and broken UTF-8 replaced", async () => {
  answer = (_, response) => void response.end(Buffer.from("\ufeffcaf\u00e9\x80", "latin1"));
  const bytes = Buffer.from([0xef, 0xbb, 0xbf, 0x61, 0xff]);
  answer = (_, response) => void response.end(bytes);
  assert.equal(await (await fetch(url)).text(), "a\ufffd");
});

test("scheme and url: what is no http URL is refused", async () => {
  for (const bad of [
    "",
    "blob:x",
    "about:blank",
    "ftp://a.b/",
    "http://",
    "http://a b/",
    "http://:80",
  ])
    await assert.rejects(fetch(bad), `${bad} was taken`);
});

test("integrity, mode, credentials and keepalive are taken and change nothing", async () => {
  const init = { mode: "cors", credentials: "include", keepalive: true, referrer: "" };
  assert.equal(await (await fetch(url, init as RequestInit)).text(), "body");
});

// fetch/api/headers

test("headers-combine and header-values: white space is trimmed, values are kept", async () => {
  await fetch(url, { headers: { "x-a": "  padded\t", "x-empty": "", "x-b": 'a,b;c="d"' } });
  assert.equal(headerOf(server.asked[0], "x-a"), "padded");
  assert.equal(headerOf(server.asked[0], "x-empty"), "");
  assert.equal(headerOf(server.asked[0], "x-b"), 'a,b;c="d"');
});

test("header-values-normalize and headers-errors: what can't be a header is a TypeError", async () => {
  for (const headers of [{ "a b": "1" }, { "": "1" }, { a: "1\n2" }, { a: "\0" }, { a: "\u0100" }])
    await assert.rejects(fetch(url, { headers }), TypeError);
  assert.equal(server.asked.length, 0);
});

test("headers of the response are an iterable, sorted Headers object", async () => {
  answer = (_, response) => void response.writeHead(200, { "X-B": "2", "x-a": "1" }).end();
  const { headers } = await fetch(url);
  assert.ok(headers instanceof Headers);
  const own = [...headers].filter(([name]) => name.startsWith("x-"));
  assert.deepEqual(own, [
    ["x-a", "1"],
    ["x-b", "2"],
  ]);
});

// fetch/api/request

test("request-disturbed: a used body can't be sent, and sending uses it", async () => {
  const request = new Request(url, { method: "POST", body: "x" });
  await fetch(request);
  assert.equal(request.bodyUsed, true);
  await assert.rejects(fetch(request), TypeError);
});

test("request-init-stream: a stream needs duplex, can't be locked, and is locked by sending", async () => {
  const stream = () => new Blob(["x"]).stream();
  await assert.rejects(fetch(url, { method: "POST", body: stream() }), TypeError);
  const body = stream();
  await fetch(url, { method: "POST", body, duplex: "half" });
  assert.equal(String(server.asked[0]?.body), "x");
  await assert.rejects(fetch(url, { method: "POST", body, duplex: "half" }), TypeError);
});

test("request-bad-port and forbidden methods are refused", async () => {
  for (const method of ["CONNECT", "TRACE", "TRACK", "bad method", ""])
    await assert.rejects(fetch(url, { method }), TypeError);
  await assert.rejects(fetch(url, { method: "HEAD", body: "x" }), TypeError);
});

test("methods are normalized as the standard says", async () => {
  for (const [given, sent] of [
    ["get", "GET"],
    ["pOsT", "POST"],
    ["put", "PUT"],
    ["delete", "DELETE"],
  ]) {
    await fetch(url, { method: given as string });
    assert.equal(server.asked.at(-1)?.method, sent);
  }
});

// fetch/api/response

test("response-consume: each reader once, then a TypeError", async () => {
  for (const read of ["text", "json", "arrayBuffer", "blob"] as const) {
    answer = (_, response) => void response.end('{"a":1}');
    const response = await fetch(url);
    await response[read]();
    assert.equal(response.bodyUsed, true);
    for (const again of ["text", "json", "arrayBuffer", "blob"] as const)
      await assert.rejects(response[again](), TypeError);
  }
});

test("response-clone: both bodies are whole, cancelling one does not end the other", async () => {
  const large = "0123456789".repeat(100_000);
  answer = (_, response) => void response.end(large);
  const response = await fetch(url);
  const copy = response.clone();
  assert.notEqual(response.headers, copy.headers);
  // A branch's cancel settles when the other one is done too.
  const cancelled = response.body?.cancel();
  assert.equal(await copy.text(), large);
  await cancelled;
});

test("response-cancel-stream: a cancelled body is closed", async () => {
  const response = await fetch(url);
  const reader = response.body?.getReader();
  await reader?.cancel();
  assert.deepEqual(await reader?.read(), { done: true, value: undefined });
  await reader?.closed;
});

test("response-stream-disturbed: a partly read body is used", async () => {
  const response = await fetch(url);
  const reader = response.body?.getReader();
  await reader?.read();
  reader?.releaseLock();
  assert.equal(response.bodyUsed, true);
  await assert.rejects(response.text(), TypeError);
});

// fetch/api/abort

test("abort: before, and what is aborted never reaches the server", async () => {
  const controller = new AbortController();
  controller.abort();
  const error = await fetch(url, { signal: controller.signal }).catch((error) => error);
  assert.ok(error instanceof DOMException);
  assert.deepEqual([error.name, error.code], ["AbortError", DOMException.ABORT_ERR]);
  await assert.rejects(fetch(new Request(url, { signal: controller.signal })), {
    name: "AbortError",
  });
  await sleep(50);
  assert.equal(server.asked.length, 0);
});

test("abort: a null signal overrides the Request's, another one replaces it", async () => {
  const aborted = AbortSignal.abort();
  const request = new Request(url, { signal: aborted });
  assert.equal(await (await fetch(request, { signal: null })).text(), "body");
  const live = new AbortController();
  assert.equal(await (await fetch(request, { signal: live.signal })).text(), "body");
});

test("abort: the same signal ends all of its requests", async () => {
  answer = () => {};
  const controller = new AbortController();
  const all = [1, 2, 3].map(() => fetch(url, { signal: controller.signal }));
  await until(async () => (server.asked.length === 3 ? true : undefined));
  controller.abort();
  const results = await Promise.allSettled(all);
  for (const result of results)
    assert.ok(result.status === "rejected" && result.reason === controller.signal.reason);
  await until(async () => (server.left >= 3 ? true : undefined));
});

test("abort: a body's readers reject with AbortError, and one that was read is untouched", async () => {
  for (const read of ["text", "json", "arrayBuffer", "blob"] as const) {
    answer = (_, response) => void response.write("{");
    const controller = new AbortController();
    const response = await fetch(url, { signal: controller.signal });
    const reading = response[read]();
    controller.abort();
    await assert.rejects(reading, { name: "AbortError" });
  }
  answer = (_, response) => void response.end("body");
  const controller = new AbortController();
  const response = await fetch(url, { signal: controller.signal });
  assert.equal(await response.text(), "body");
  controller.abort();
  await assert.rejects(response.text(), TypeError);
});

test("abort: the stream errors at once, and an already aborted one before the first read", async () => {
  answer = (_, response) => void response.write("first");
  const controller = new AbortController();
  const response = await fetch(url, { signal: controller.signal });
  const reader = response.body?.getReader();
  await reader?.read();
  const pending = reader?.read();
  controller.abort();
  await assert.rejects(pending as Promise<unknown>, { name: "AbortError" });
  await assert.rejects(reader?.closed as Promise<unknown>, { name: "AbortError" });

  const second = new AbortController();
  const unread = await fetch(url, { signal: second.signal });
  second.abort();
  await assert.rejects(unread.text(), { name: "AbortError" });
});

// fetch/api/redirect

test("redirect-mode: error is a TypeError, manual shows the answer", async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    answer = (_, response) => void response.writeHead(status, { location: "/v1/y" }).end();
    await assert.rejects(fetch(url, { redirect: "error" }), TypeError);
    const shown = await fetch(url, { redirect: "manual" });
    assert.deepEqual([shown.status, shown.redirected], [status, false]);
    assert.equal(server.asked.length, 2);
    server.asked.length = 0;
  }
  for (const status of [300, 304, 305, 306]) {
    answer = (_, response) => void response.writeHead(status, { location: "/v1/y" }).end();
    assert.equal((await fetch(url)).status, status);
  }
});
