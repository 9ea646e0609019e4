// Every capability of every provider against a server that misbehaves. Who is asked what comes from the
// fixtures of requests, so that a new provider is covered by having some. What comes out is the code that
// docs/reference/errors.md gives; no error holds the key; nothing of a call that was given up stays behind.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { BYOK, BYOKError, MemoryStore, type User } from "../dist/index.js";
import { type CapabilityCase, loadCases } from "./support/capability-cases.js";

const KEY = "canary-key-0123456789abcdefghijk";
const WAV = Buffer.from("524946462400000057415645666d7420", "hex");

/** The first case of each thing that a provider can do, whole and streamed. */
const CASES = [
  ...new Map(
    loadCases()
      .filter((one) => one.sent)
      .map((one): [string, CapabilityCase] => [
        `${one.provider} ${one.capability}${one.stream ? ", streamed" : ""}`,
        one,
      ])
      .reverse(),
  ),
];
const PROVIDERS = [...new Set(CASES.map(([, one]) => one.provider))];

type Fault = (response: ServerResponse) => void;
const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  (response) =>
    void response.writeHead(code, { "content-type": "text/html", ...headers }).end("<html>");
const half: Fault = (response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "9999" });
  response.write('{"');
};

/** What is done, and what a call may end in. */
const FAULTS: Record<string, [Fault, ...codes: string[]]> = {
  "a bad key": [status(401), "KEY_INVALID"],
  "no permission": [status(403), "PERMISSION_DENIED"],
  "nothing there": [status(404), "PROVIDER_ERROR"],
  "a limit": [status(429, { "retry-after": "7" }), "PROVIDER_RATE_LIMITED"],
  "a failure": [status(500), "PROVIDER_UNAVAILABLE"],
  "a redirect": [status(302, { location: "http://127.0.0.1:9/" }), "PROVIDER_ERROR"],
  "a connection that breaks": [(response) => response.destroy(), "PROVIDER_UNAVAILABLE"],
  "an answer that breaks off": [
    (response) => {
      half(response);
      setTimeout(() => response.destroy(), 20);
    },
    "STREAM_INTERRUPTED",
    "BAD_RESPONSE",
  ],
  "an empty answer": [
    (response) => void response.writeHead(200, { "content-type": "application/json" }).end(),
    "BAD_RESPONSE",
    "STREAM_INTERRUPTED",
  ],
  "an empty object": [
    (response) => void response.writeHead(200, { "content-type": "application/json" }).end("{}"),
    "BAD_RESPONSE",
    "STREAM_INTERRUPTED",
  ],
  "a page": [status(200), "BAD_RESPONSE", "STREAM_INTERRUPTED"],
  silence: [() => {}, "TIMEOUT"],
};

let server: ReturnType<typeof createServer>;
let fault: Fault = () => {};
/** Requests whose client went away before they were answered. */
let left = 0;
let byok: BYOK;
let user: User;

before(async () => {
  server = createServer((request, response) => {
    request.resume();
    request.on("end", () => fault(response));
    response.on("close", () => {
      if (!response.writableEnded) left += 1;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const providers: Record<string, object> = {};
  for (const provider of PROVIDERS) {
    providers[provider] = {
      ...(provider === "own" ? { type: "openai-compatible" } : {}),
      baseURL: origin,
      allowPrivateNetwork: true,
      maxRetries: 0,
      timeoutMs: 300,
    };
  }
  byok = new BYOK({ masterKey: randomBytes(32), store: new MemoryStore(), providers });
  user = byok.use("u");
});
after(async () => {
  server.close();
  server.closeAllConnections();
  await byok.close();
});

/** Registers the key that a case needs; Azure's has fields beside it. */
async function withKey({ provider, fields }: CapabilityCase): Promise<void> {
  const apiKey = fields ? { apiKey: KEY, ...fields } : KEY;
  await byok.registerKey({ userId: "u", provider, apiKey, validate: false });
}

async function run(one: CapabilityCase, signal?: AbortSignal): Promise<unknown> {
  const routing = {
    provider: one.provider,
    ...(one.model === undefined ? {} : { model: one.model }),
  };
  const request = { ...one.request, ...routing, ...(signal ? { signal } : {}) };
  switch (one.capability) {
    case "chat":
      return one.stream ? user.chatStream(request).result : user.chat(request);
    case "embeddings":
      return user.embed(request);
    case "textToSpeech": {
      if (!one.stream) return user.textToSpeech(request);
      const pieces: Buffer[] = [];
      for await (const piece of user.textToSpeechStream(request)) pieces.push(piece);
      return pieces;
    }
    case "speechToText":
      return user.speechToText({ audio: WAV, ...request });
    case "imageGeneration":
      return user.generateImage(request);
  }
}

async function errorOf(one: CapabilityCase, signal?: AbortSignal): Promise<BYOKError> {
  const error = await run(one, signal).then(
    (result) => assert.fail(`an answer: ${inspect(result)}`),
    (error: unknown) => error,
  );
  assert.ok(error instanceof BYOKError, inspect(error));
  assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(KEY));
  return error;
}

for (const [what, [act, ...codes]] of Object.entries(FAULTS)) {
  describe(`${what} is ${codes.join(" or ")}`, () => {
    for (const [name, one] of CASES) {
      test(name, async () => {
        await withKey(one);
        fault = act;
        const error = await errorOf(one);
        assert.ok(codes.includes(error.code), inspect(error));
        assert.equal(error.provider, one.provider);
        if (what === "a limit") assert.equal(error.retryAfterMs, 7000);
      });
    }
  });
}

describe("a call that is given up is gone at the provider, too", () => {
  for (const [name, one] of CASES) {
    test(name, async () => {
      await withKey(one);
      const controller = new AbortController();
      fault = () => controller.abort();
      const before = left;
      const error = await errorOf(one, controller.signal);
      assert.equal(error.code, "ABORTED");
      assert.equal(error.name, "AbortError");
      for (let waited = 0; left === before && waited < 2000; waited += 10)
        await new Promise((done) => setTimeout(done, 10));
      assert.equal(left, before + 1);
    });
  }
});
