// user.forward as a reverse proxy, through the examples as they are: the frameworks are real, the clients are
// the official SDKs, and the provider is the practice provider or a server that keeps what it is asked.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import OpenAI from "openai";
import { BYOK, MemoryStore } from "../dist/index.js";
import { failsWith, keyOf, libraryAt, MASTER, PROVIDERS } from "./support/library.js";
import { type Practice, startPractice, until } from "./support/practice.js";
import { headerOf, startWireServer } from "./support/wire-server.js";

const stops: (() => unknown)[] = [];
let practice: Practice;
let byok: BYOK;

before(async () => {
  practice = await startPractice((stop) => stops.push(stop));
  byok = libraryAt(practice);
  for (const provider of PROVIDERS) {
    const apiKey = keyOf(practice, provider);
    await byok.registerKey({ userId: "u", provider, apiKey, validate: false });
  }
});
after(async () => {
  await byok.close();
  for (const stop of stops) await stop();
});

// biome-ignore lint/suspicious/noExplicitAny: examples are plain JavaScript
const example = (name: string): Promise<any> =>
  import(pathToFileURL(join(__dirname, `../examples/forward/${name}.mjs`)).href);

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  stops.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Users of these tests log in with a cookie, which no provider should see. */
const userOf = (request: { headers: IncomingMessage["headers"] | Headers }) => {
  const { headers } = request;
  const cookie = headers instanceof Headers ? headers.get("cookie") : headers.cookie;
  return /user=(\w+)/.exec(cookie ?? "")?.[1];
};
const defaultHeaders = { cookie: "user=u" };
const PARIS = "Paris. (This is the byok-ai practice provider, not a model.)";
const FRANCE = [{ role: "user" as const, content: "What is the capital of France?" }];

test("Express: OpenAI's SDK works against the app, with the user's key", async () => {
  const { openaiRouter } = await example("express");
  const origin = await serve(express().use(openaiRouter(byok, userOf)));
  const settings = { apiKey: "none", baseURL: `${origin}/openai/v1`, maxRetries: 0 };
  const openai = new OpenAI({ ...settings, defaultHeaders });
  const body = { model: "m", messages: FRANCE };
  const completion = await openai.chat.completions.create(body);
  assert.equal(completion.choices[0]?.message.content, PARIS);
  let text = "";
  for await (const chunk of await openai.chat.completions.create({ ...body, stream: true }))
    text += chunk.choices[0]?.delta.content ?? "";
  assert.equal(text, PARIS);

  const wrong = openai.chat.completions.create({ ...body, model: "no-such-model" });
  await assert.rejects(wrong, OpenAI.NotFoundError);
  await assert.rejects(openai.models.list(), OpenAI.NotFoundError);
  const stranger = new OpenAI(settings);
  await assert.rejects(stranger.chat.completions.create(body), OpenAI.AuthenticationError);
  const keyless = new OpenAI({ ...settings, defaultHeaders: { cookie: "user=v" } });
  await assert.rejects(keyless.chat.completions.create(body), OpenAI.PermissionDeniedError);
});

test("Express: a body that was parsed before is sent as JSON again", async () => {
  const { openaiRouter } = await example("express");
  const app = express().use(express.json()).use(openaiRouter(byok, userOf));
  const baseURL = `${await serve(app)}/openai/v1`;
  const openai = new OpenAI({ apiKey: "none", baseURL, defaultHeaders });
  const completion = await openai.chat.completions.create({ model: "m", messages: FRANCE });
  assert.equal(completion.choices[0]?.message.content, PARIS);
});

test("Fastify: Anthropic's SDK works against the app, with the user's key", async () => {
  const { anthropicProxy } = await example("fastify");
  const app = Fastify();
  stops.push(() => app.close());
  app.register(anthropicProxy, { byok, userOf });
  const baseURL = `${await app.listen({ port: 0, host: "127.0.0.1" })}/anthropic`;
  const anthropic = new Anthropic({ apiKey: "none", baseURL, defaultHeaders });
  const body = { model: "m", max_tokens: 100, messages: FRANCE };
  const stream = anthropic.messages.stream(body);
  assert.equal(await stream.finalText(), PARIS);
  const [part] = (await anthropic.messages.create(body)).content;
  assert.equal(part?.type === "text" && part.text, PARIS);
});

test("Web standard: Google's SDK works against a Hono app, with the user's key", async () => {
  const { proxyHandler } = await example("web");
  const handler = proxyHandler(byok, userOf);
  const app = new Hono().all("/ai/*", (context) => handler(context.req.raw));
  // A Request of the runtime, without a server in between.
  const original = globalThis.fetch;
  globalThis.fetch = async (input, init) => app.fetch(new Request(input, init));
  try {
    const httpOptions = { baseUrl: "https://app.example/ai/gemini", headers: defaultHeaders };
    const gemini = new GoogleGenAI({ apiKey: "none", httpOptions });
    const answer = await gemini.models.generateContent({
      model: "m",
      contents: FRANCE[0]?.content ?? "",
    });
    assert.equal(answer.text, PARIS);
  } finally {
    globalThis.fetch = original;
  }
  const lost = await app.request("/ai/nobody/v1/models", { headers: defaultHeaders });
  assert.equal(lost.status, 404);
});

test("of the client only what the provider needs goes on, and of the provider no cookie comes back", async () => {
  const provider = await startWireServer((_, response) => {
    response.setHeader("set-cookie", "provider=1");
    response.setHeader("x-request-id", "r1");
    response.writeHead(201, "Made").end("fine");
  });
  stops.push(() => provider.stop());
  const library = await libraryOf(provider.origin);
  const forward = library.use("u", { provider: "openai" });
  const origin = await serve(async (request, response) => {
    const answer = await forward.forward(request, { path: "/v1/x?a=1" });
    response.writeHead(answer.status, answer.statusText, Object.fromEntries(answer.headers));
    response.end(await answer.text());
  });
  const response = await fetch(`${origin}/anything`, {
    method: "POST",
    body: "a body",
    headers: {
      authorization: "Bearer the-apps-own-token",
      cookie: "session=secret",
      origin: "https://app.example",
      "x-forwarded-for": "10.0.0.1",
      "openai-beta": "assistants=v2",
    },
  });
  assert.deepEqual([response.status, response.statusText], [201, "Made"]);
  assert.equal(response.headers.get("set-cookie"), null);
  assert.equal(response.headers.get("x-request-id"), "r1");
  const [asked] = provider.asked;
  assert.equal(asked?.path, "/v1/x?a=1");
  assert.equal(String(asked?.body), "a body");
  assert.equal(headerOf(asked, "authorization"), `Bearer ${KEY}`);
  assert.equal(headerOf(asked, "openai-beta"), "assistants=v2");
  assert.equal(headerOf(asked, "content-length"), "6");
  for (const name of ["cookie", "origin", "x-forwarded-for", "sec-fetch-mode"])
    assert.equal(headerOf(asked, name), undefined, name);
});

test("a client that goes away ends the request at the provider, before and after the head", async () => {
  const { openaiRouter } = await example("express");
  for (const write of ["", "data: {}\n\n"]) {
    const provider = await startWireServer((_, response) => {
      if (write !== "") response.write(write);
    });
    stops.push(() => provider.stop());
    const library = await libraryOf(provider.origin);
    const origin = await serve(express().use(openaiRouter(library, userOf)));
    const url = `${origin}/openai/v1/chat/completions`;
    const client = request(url, { method: "POST", headers: defaultHeaders });
    client.on("error", () => {});
    client.end("{}");
    if (write !== "") await once(client, "response");
    await until(async () => (provider.asked.length === 1 ? true : undefined));
    assert.equal(provider.left, 0);
    client.destroy();
    await until(async () => (provider.left === 1 ? true : undefined));
  }
});

test("a body that somebody has read, and what is no request, are errors that say what to do", async () => {
  const user = byok.use("u");
  const origin = await serve(async (request, response) => {
    request.resume();
    await once(request, "end");
    const error = await user.forward(request, { provider: "openai" }).catch((error) => error);
    response.end(`${error.code} ${error.message}`);
  });
  const said = await (await fetch(origin, { method: "POST", body: "x" })).text();
  assert.match(said, /^INVALID_ARGUMENT .*read already/);
  await assert.rejects(
    user.forward(new Request("http://a.b/")),
    failsWith("INVALID_ARGUMENT", /provider/),
  );
  const nothing = user.forward({} as never, { provider: "openai" });
  await assert.rejects(nothing, failsWith("INVALID_ARGUMENT", /Request/));
  const misspelt = user.forward(new Request("http://a.b/"), { provder: "openai" } as never);
  await assert.rejects(misspelt, failsWith("INVALID_ARGUMENT", /provider/));
});

const KEY = "sk-forward-0123456789abcdefgh";

async function libraryOf(origin: string): Promise<BYOK> {
  const openai = { baseURL: `${origin}/v1`, allowPrivateNetwork: true };
  const library = new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers: { openai } });
  stops.push(() => library.close());
  await library.registerKey({ userId: "u", provider: "openai", apiKey: KEY, validate: false });
  return library;
}
