// user.fetch keeps the contract of the global fetch: what goes in, what comes out, and how it fails. Most
// tests run both against the same server and compare.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BYOK, BYOKError, MemoryStore } from "../dist/index.js";
import { failsWith, MASTER } from "./support/library.js";
import { until } from "./support/practice.js";
import { type Answer, headerOf, startWireServer, type WireServer } from "./support/wire-server.js";

const KEY = "sk-fetch-0123456789abcdefghij";
let server: WireServer;
let byok: BYOK;
let ours: typeof fetch;
let answer: Answer;
const plain: Answer = (_, response) => void response.end("fine");

before(async () => {
  server = await startWireServer((...all) => answer(...all));
  byok = libraryWith(server.origin);
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: KEY, validate: false });
  ours = byok.use("u").fetch("openai");
});
beforeEach(() => {
  answer = plain;
  server.asked.length = 0;
});
after(async () => {
  await byok.close();
  server.stop();
});

function libraryWith(origin: string, more: object = {}): BYOK {
  const openai = { baseURL: `${origin}/v1`, allowPrivateNetwork: true, ...more };
  return new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers: { openai } });
}

const url = (path = "/v1/x") => `${server.origin}${path}`;

/** The last request's body and content type, as the server got them. */
function lastAsked() {
  const asked = server.asked.at(-1);
  return {
    body: asked?.body.toString("latin1"),
    type: headerOf(asked, "content-type"),
    length: headerOf(asked, "content-length"),
    chunked: headerOf(asked, "transfer-encoding"),
  };
}

/** What both send for the same arguments must be the same, but for the boundary of a form. */
async function sendsAlike(make: () => Parameters<typeof fetch>): Promise<void> {
  const sent = [];
  for (const one of [fetch, ours]) {
    await (await one(...make())).text();
    const { body, type, length, ...rest } = lastAsked();
    const boundary = /boundary=(.*)/.exec(type ?? "")?.[1] ?? "no boundary";
    sent.push({
      ...rest,
      // The boundaries' lengths differ.
      length: boundary === "no boundary" ? length : length !== undefined,
      body: body?.replaceAll(boundary, "B").toLowerCase(),
      type: type?.replace(boundary, "B"),
      method: server.asked.at(-1)?.method,
    });
  }
  assert.deepEqual(sent[1], sent[0]);
}

const bytes = new Uint8Array([0, 1, 2, 253, 254, 255]);
const large = Buffer.alloc(3 << 20, "a large body ");
const POST = { method: "POST" };
const half = { method: "POST", duplex: "half" } as RequestInit;

async function* pieces(...all: unknown[]) {
  for (const piece of all) {
    await sleep(2);
    yield piece;
  }
}
const streamOf = (...all: Uint8Array[]) => ReadableStream.from(pieces(...all)) as ReadableStream;

function form(): FormData {
  const form = new FormData();
  form.append("model", "whisper-1");
  form.append('a "name"\nof two lines', "a\nvalue\r\nof\rlines é");
  form.append("file", new File([bytes], 'r"é.mp3', { type: "audio/mpeg" }));
  form.append("file", new Blob([bytes]));
  form.append("empty", "");
  return form;
}

const BODIES: Record<string, () => RequestInit> = {
  "no body": () => POST,
  "an empty text": () => ({ ...POST, body: "" }),
  "a text": () => ({ ...POST, body: "text é \ud800" }),
  "a text with its own type": () => ({
    ...POST,
    body: "{}",
    headers: { "Content-Type": "application/json" },
  }),
  bytes: () => ({ ...POST, body: bytes }),
  "a view of bytes": () => ({ ...POST, body: new DataView(bytes.buffer, 1, 3) }),
  "a buffer of bytes": () => ({ ...POST, body: bytes.buffer }),
  "a Blob": () => ({ ...POST, body: new Blob([bytes], { type: "image/png" }) }),
  "a large Blob": () => ({ ...POST, body: new Blob([large]) }),
  URLSearchParams: () => ({ ...POST, body: new URLSearchParams({ a: "1 2", b: "é" }) }),
  "a form": () => ({ ...POST, body: form() }),
  "a stream": () => ({ ...half, body: streamOf(bytes, bytes) }),
  "a large stream": () => ({ ...half, body: streamOf(large, large) }),
  "an empty stream": () => ({ ...half, body: streamOf() }),
  "an async iterable": () => ({ ...half, body: pieces("text é", bytes) as never }),
};

for (const [name, init] of Object.entries(BODIES)) {
  test(`${name} is sent as fetch sends it`, () => sendsAlike(() => [url(), init()]));
  // A Request does not tell how long its body is; see below.
  if (name === "a large Blob") continue;
  test(`${name} inside a Request is sent as fetch sends it`, () =>
    sendsAlike(() => [new Request(url(), init())]));
}

test("a large body inside a Request is sent in chunks, and with the length that its headers say", async () => {
  await ours(new Request(url(), { ...POST, body: new Blob([large]) }));
  assert.deepEqual([lastAsked().chunked, lastAsked().body?.length], ["chunked", large.length]);
  const headers = { "content-length": String(large.length) };
  await ours(new Request(url(), { ...POST, body: new Blob([large]), headers }));
  assert.deepEqual([lastAsked().length, lastAsked().chunked], [String(large.length), undefined]);
});

test("a large form is streamed with its length", async () => {
  const body = form();
  body.append("file", new Blob([large]));
  await ours(url(), { ...POST, body });
  const { length, chunked, body: sent } = lastAsked();
  assert.equal(Number(length), sent?.length);
  assert.equal(chunked, undefined);
});

test("strings, URLs and Requests are taken, and an init goes before what a Request says", async () => {
  for (const input of [url(), new URL(url()), new Request(url())]) {
    const response = await ours(input, { headers: { "x-a": "1" } });
    assert.equal(await response.text(), "fine");
    assert.equal(headerOf(server.asked.at(-1), "x-a"), "1");
  }
  const request = new Request(url(), { method: "PUT", body: "old", headers: { "x-a": "1" } });
  await ours(request, { method: "PATCH", body: "new", headers: { "x-b": "2" } });
  const { method, body, ...rest } = server.asked.at(-1) ?? {};
  assert.deepEqual([method, String(body)], ["PATCH", "new"]);
  assert.equal(headerOf(rest as never, "x-a"), undefined);
});

test("headers of every form arrive, twice where they are twice", async () => {
  const lists: NonNullable<RequestInit["headers"]>[] = [
    { "X-One": "1", "x-two": "2" },
    [
      ["x-one", "1"],
      ["x-two", "2"],
    ],
    new Headers({ "x-one": "1", "x-two": "2" }),
  ];
  for (const headers of lists) {
    await ours(url(), { headers });
    assert.equal(headerOf(server.asked.at(-1), "x-one"), "1");
    assert.equal(headerOf(server.asked.at(-1), "x-two"), "2");
  }
  const twice = new Headers({ "x-a": "1" });
  twice.append("x-a", "2");
  await sendsAlike(() => [url(), { headers: twice }]);
  await ours(url(), { headers: { "x-latin": "caf\u00e9" } });
  assert.equal(headerOf(server.asked.at(-1), "x-latin"), "caf\u00e9");
});

test("what a request says of caches is told on the way", async () => {
  for (const cache of ["default", "no-store", "reload", "no-cache"] as const) {
    const told: (string | undefined)[][] = [];
    for (const one of [fetch, ours]) {
      const init = { cache, headers: cache === "reload" ? { pragma: "mine" } : {} };
      await one(url(), init as RequestInit); // `cache` is in the standard, not in Node's types
      const asked = server.asked.at(-1);
      told.push([headerOf(asked, "cache-control"), headerOf(asked, "pragma")]);
    }
    assert.deepEqual(told[1], told[0], cache);
  }
});

test("a response has what the provider said", async () => {
  answer = (_, response) => {
    response.writeHead(418, "I'm a teapot", [
      ["x-a", "1"],
      ["x-a", "2"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["content-type", "application/json"],
    ] as never);
    response.end('{"a":"é"}');
  };
  for (const one of [fetch, ours]) {
    const response = await one(`${url()}?q=1#hash`);
    assert.ok(response instanceof Response);
    assert.equal(response.status, 418);
    assert.equal(response.statusText, "I'm a teapot");
    assert.equal(response.ok, false);
    assert.equal(response.url, `${url()}?q=1`);
    assert.equal(response.redirected, false);
    assert.equal(response.type, "basic");
    assert.equal(response.headers.get("x-a"), "1, 2");
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.equal(response.bodyUsed, false);
    const copy = response.clone();
    assert.equal(copy.url, response.url);
    assert.equal(copy.type, "basic");
    assert.equal(copy.clone().url, response.url);
    assert.deepEqual(await response.json(), { a: "é" });
    assert.equal(response.bodyUsed, true);
    assert.equal(await copy.text(), '{"a":"é"}');
    await assert.rejects(response.text(), TypeError);
    assert.throws(() => response.clone(), TypeError);
  }
});

test("a body is read as text, JSON, bytes, Blob and form", async () => {
  const boundary = "----b";
  const multipart = `--${boundary}\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}--\r\n`;
  answer = (_, response) => {
    response.setHeader("content-type", `multipart/form-data; boundary=${boundary}`);
    response.end(multipart);
  };
  assert.equal(await (await ours(url())).text(), multipart);
  assert.equal((await (await ours(url())).arrayBuffer()).byteLength, multipart.length);
  const [blob, theirs] = await Promise.all(
    [ours, fetch].map(async (one) => (await one(url())).blob()),
  );
  assert.deepEqual([blob?.size, blob?.type], [multipart.length, theirs?.type]);
  assert.equal((await (await ours(url())).formData()).get("a"), "1");
  await assert.rejects((await ours(url())).json(), SyntaxError);
});

test("answers without a body have none", async () => {
  for (const [status, method] of [
    [204, "POST"],
    [205, "POST"],
    [304, "GET"],
    [200, "HEAD"],
  ] as const) {
    answer = (_, response) => void response.writeHead(status, { "x-a": "1" }).end();
    for (const one of [fetch, ours]) {
      const response = await one(url(), { method });
      assert.equal(response.status, status);
      assert.equal(response.headers.get("x-a"), "1");
      assert.equal(response.body, null);
      assert.equal(await response.text(), "");
    }
  }
});

test("a compressed answer is unpacked", async () => {
  const { gzipSync, brotliCompressSync } = await import("node:zlib");
  for (const [name, pack] of [
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ] as const) {
    answer = (_, response) => {
      response.setHeader("content-encoding", name);
      response.end(pack(large));
    };
    const response = await ours(url());
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), large);
    assert.match(headerOf(server.asked.at(-1), "accept-encoding") ?? "", new RegExp(name));
  }
});

test("a body arrives while it is made, and to BYOB readers too", async () => {
  let goOn = () => {};
  answer = async (_, response) => {
    response.write("first");
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    response.end("second");
  };
  const body = (await ours(url())).body;
  assert.ok(body);
  const reader = body.getReader();
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "first");
  goOn();
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "second");
  assert.equal((await reader.read()).done, true);

  const byob = (await ours(url())).body?.getReader({ mode: "byob" });
  assert.ok(byob);
  const { value } = await byob.read(new Uint8Array(3));
  assert.equal(Buffer.from(value ?? []).toString(), "fir");
  goOn();
  let rest = "";
  for (;;) {
    const { done, value } = await byob.read(new Uint8Array(100));
    if (done) break;
    rest += Buffer.from(value).toString();
  }
  assert.equal(rest, "stsecond");
});

test("a slow reader holds the provider up, and a slow server the caller's stream", async () => {
  let written = 0;
  answer = async (_, response) => {
    const block = Buffer.alloc(64 << 10, "x");
    for (; written < 64 << 20 && !response.destroyed; written += block.length)
      if (!response.write(block)) await Promise.race([once(response, "drain"), sleep(1000)]);
    response.end();
  };
  const response = await ours(url());
  const reader = response.body?.getReader();
  await reader?.read();
  await sleep(300);
  const before = written;
  assert.ok(before < 32 << 20, `${before} bytes were taken ahead`);
  await reader?.cancel();

  const stalling = await startWireServer(() => {}, true);
  const other = libraryWith(stalling.origin);
  await other.registerKey({ userId: "u", provider: "openai", apiKey: KEY, validate: false });
  let given = 0;
  const endless = new ReadableStream({
    pull(controller) {
      given += large.length;
      controller.enqueue(new Uint8Array(large));
    },
  });
  const sending = other.use("u").fetch("openai")(`${stalling.origin}/v1/x`, {
    ...half,
    body: endless,
  });
  sending.catch(() => {});
  await sleep(500);
  assert.ok(given > 0 && given < 64 << 20, `${given} bytes were taken ahead`);
  stalling.stop();
  await assert.rejects(sending, TypeError);
  await other.close();
});

test("leaving a body ends the request at the provider", async () => {
  answer = (_, response) => void response.write("first");
  const left = server.left;
  const byBreak = (await ours(url())).body as unknown as AsyncIterable<Uint8Array>;
  for await (const _ of byBreak) break;
  await until(async () => (server.left === left + 1 ? true : undefined));
  await (await ours(url())).body?.cancel();
  await until(async () => (server.left === left + 2 ? true : undefined));
});

test("an aborted signal gives its reason before, during and after the head", async () => {
  const reasons = [undefined, new Error("mine"), "a text"];
  for (const reason of reasons) {
    for (const one of [fetch, ours]) {
      const before = AbortSignal.abort(reason);
      await assert.rejects(one(url(), { signal: before }), sameAs(before.reason));
      await assert.rejects(one(new Request(url(), { signal: before })), sameAs(before.reason));

      const left = server.left;
      answer = () => {};
      const during = new AbortController();
      const pending = one(url(), { signal: during.signal });
      const count = server.asked.length;
      await until(async () => (server.asked.length > count ? true : undefined));
      during.abort(reason);
      await assert.rejects(pending, sameAs(during.signal.reason));
      await until(async () => (server.left > left ? true : undefined));

      answer = (_, response) => void response.write("first");
      const later = new AbortController();
      const response = await one(url(), { signal: later.signal });
      const text = response.text();
      later.abort(reason);
      await assert.rejects(text, sameAs(later.signal.reason));
    }
  }
  assert.equal((AbortSignal.abort().reason as Error).name, "AbortError");
  await assert.rejects(ours(url(), { signal: AbortSignal.timeout(1) }), { name: "TimeoutError" });
});

const sameAs = (reason: unknown) => (error: unknown) => {
  assert.ok(Object.is(error, reason), `${error} is not ${reason}`);
  return true;
};

test("an abort tells the caller's own stream why", async () => {
  answer = () => {};
  const reason = new Error("enough");
  const controller = new AbortController();
  let told: unknown;
  const body = new ReadableStream({
    start: (stream) => stream.enqueue(new Uint8Array(3)),
    cancel(why) {
      told = why;
    },
  });
  const pending = ours(url(), { ...half, body, signal: controller.signal });
  await sleep(50);
  controller.abort(reason);
  await assert.rejects(pending, sameAs(reason));
  await until(async () => (told === reason ? true : undefined));
});

test("a caller's stream that fails fails the request with its error as the cause", async () => {
  const failure = new Error("no disk");
  const failing = async function* () {
    yield bytes;
    await sleep(20);
    throw failure;
  };
  for (const one of [fetch, ours]) {
    const error = await one(url(), { ...half, body: failing() as never }).catch((error) => error);
    assert.ok(error instanceof TypeError);
    assert.equal(error.cause, failure);
  }
  const wrong = ReadableStream.from(["a text"]) as never;
  await assert.rejects(ours(url(), { ...half, body: wrong }), TypeError);
});

test("without an answer it is a TypeError whose cause says why", async () => {
  const gone = await startWireServer();
  const lost = libraryWith(gone.origin);
  await lost.registerKey({ userId: "u", provider: "openai", apiKey: KEY, validate: false });
  const fetchLost = lost.use("u").fetch("openai");
  gone.stop();
  const error = await fetchLost(`${gone.origin}/v1/x`).catch((error) => error);
  assert.ok(error instanceof TypeError);
  assert.equal(error.message, "fetch failed");
  failsWith("PROVIDER_UNAVAILABLE", /refused/)(error.cause);
  await lost.close();

  answer = (request) => void request.socket.destroy();
  await assert.rejects(ours(url()), (error: TypeError) => {
    assert.equal(error.message, "fetch failed");
    return failsWith("PROVIDER_UNAVAILABLE")(error.cause);
  });

  answer = (request, response) => {
    response.writeHead(200, { "content-length": "100" }).write("short");
    setTimeout(() => request.socket.destroy(), 20);
  };
  const response = await ours(url());
  await assert.rejects(response.text(), (error: TypeError) => {
    assert.equal(error.message, "terminated");
    return failsWith("STREAM_INTERRUPTED")(error.cause);
  });
});

test("what the standard refuses is refused in the same way", async () => {
  for (const one of [fetch, ours]) {
    await assert.rejects(one("not a url"), TypeError);
    await assert.rejects(one(url(), { method: "CONNECT" }), TypeError);
    await assert.rejects(one(url(), { method: "GET", body: "x" }), TypeError);
    await assert.rejects(one(url(), { headers: { "bad name": "1" } }), TypeError);
    await assert.rejects(one(url(), { ...POST, body: streamOf(bytes) }), TypeError);
    await assert.rejects(one(url().replace("//", "//user:pass@")), TypeError);
    const used = new Request(url(), { ...POST, body: "x" });
    await used.text();
    await assert.rejects(one(used), TypeError);
    const locked = streamOf(bytes);
    locked.getReader();
    await assert.rejects(one(url(), { ...half, body: locked }), TypeError);
  }
});

test("nothing is sent twice, whatever the answer", async () => {
  for (const status of [408, 429, 500, 503]) {
    answer = (_, response) => void response.writeHead(status, { "retry-after": "0" }).end("no");
    server.asked.length = 0;
    const response = await ours(url(), { ...POST, body: "x" });
    assert.deepEqual([response.status, await response.text()], [status, "no"]);
    assert.equal(server.asked.length, 1);
  }
});

test("why nothing was asked is a BYOKError", async () => {
  await assert.rejects(byok.use("nobody").fetch("openai")(url()), failsWith("KEY_NOT_FOUND"));
  await assert.rejects(
    byok.use("u").fetch("opnai")(url()),
    failsWith("UNKNOWN_PROVIDER", /openai/),
  );
  const labelled = byok.use("u").fetch("openai", { label: "work" });
  await assert.rejects(labelled(url()), failsWith("KEY_NOT_FOUND", /work/));
  assert.throws(() => byok.use("u").fetch(""), failsWith("INVALID_ARGUMENT"));
  assert.throws(
    () => byok.use("u").fetch("openai", { lable: "x" } as never),
    failsWith("INVALID_ARGUMENT", /label/),
  );
  assert.equal(server.asked.length, 0);
});

test("the key is that of the label, and a default label belongs to its provider", async () => {
  const work = { userId: "v", provider: "openai", label: "work", apiKey: `${KEY}-work` };
  await byok.registerKey({ ...work, validate: false });
  await byok.registerKey({ ...work, label: "home", apiKey: `${KEY}-home`, validate: false });
  const keyOf = async (one: typeof fetch) => {
    await one(url());
    return headerOf(server.asked.at(-1), "authorization");
  };
  assert.equal(await keyOf(byok.use("v").fetch("openai", { label: "work" })), `Bearer ${KEY}-work`);
  const user = byok.use("v", { provider: "openai", label: "work" });
  assert.equal(await keyOf(user.fetch("openai")), `Bearer ${KEY}-work`);
  assert.equal(await keyOf(user.fetch("openai", { label: "home" })), `Bearer ${KEY}-home`);
  const other = byok.use("v", { provider: "anthropic", label: "work" });
  assert.equal(await keyOf(other.fetch("openai", { label: "home" })), `Bearer ${KEY}-home`);
});

test("closing ends a body that is being read", async () => {
  answer = (_, response) => void response.write("first");
  const other = libraryWith(server.origin);
  await other.registerKey({ userId: "u", provider: "openai", apiKey: KEY, validate: false });
  const response = await other.use("u").fetch("openai")(url());
  const rejected = assert.rejects(
    response.text(),
    (error) => error instanceof BYOKError && error.code === "CLOSED",
  );
  await other.close();
  await rejected;

  for (const body of ["x", streamOf(large)])
    await assert.rejects(
      other.use("u").fetch("openai")(url(), { ...half, body }),
      failsWith("CLOSED"),
    );
  await sleep(50); // for a rejection that nobody handles
});

test("a caller's stream is told when its request can't be sent", async () => {
  let told: unknown;
  const body = new ReadableStream({
    pull: (stream) => stream.enqueue(new Uint8Array(1 << 20)),
    cancel(reason) {
      told = reason;
    },
  });
  await assert.rejects(
    ours("https://evil.example/", { ...half, body }),
    failsWith("INVALID_ARGUMENT"),
  );
  await until(async () => (told instanceof BYOKError ? true : undefined));
});
