// Unmodified SDKs through user.fetch against servers that others wrote: aimock, which speaks the providers'
// protocols, and the strict mock that OpenAI's and Anthropic's own SDK suites use. Their retries, time limits
// and aborts are their own and work as ever.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { LLMock } from "@copilotkit/aimock";
import { ElevenLabsClient } from "@elevenlabs/elevenlabs-js";
import { GoogleGenAI } from "@google/genai";
import { ChatOpenAI } from "@langchain/openai";
import { Ollama } from "ollama";
import OpenAI, { toFile } from "openai";
import { BYOK, MemoryStore } from "../dist/index.js";
import { MASTER } from "./support/library.js";
import { until } from "./support/practice.js";
import { document, haveSpecs } from "./support/specs.js";
import { startStrictMock } from "./support/strict-mock.js";
import { type Answer, headerOf, startWireServer, type WireServer } from "./support/wire-server.js";

const KEY = "a-real-key-0123456789abcdef";
const MESSAGES = [{ role: "user" as const, content: "hello" }];
const AUDIO = Buffer.concat([Buffer.from("ID3"), Buffer.alloc(3000, 7)]);
const stops: (() => unknown)[] = [];
after(async () => {
  for (const stop of stops) await stop();
});

/** A library whose providers are all at one server. */
async function libraryAt(origin: string) {
  const bases = { openai: "/v1", anthropic: "", gemini: "/v1beta", elevenlabs: "", ollama: "/v1" };
  const providers = Object.fromEntries(
    Object.entries(bases).map(([provider, path]) => [
      provider,
      { baseURL: origin + path, allowPrivateNetwork: true },
    ]),
  );
  const byok = new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers });
  stops.unshift(() => byok.close());
  for (const provider of Object.keys(bases))
    await byok.registerKey({ userId: "u", provider, apiKey: KEY, validate: false });
  return byok.use("u");
}

test("aimock: OpenAI, Anthropic, Gemini, Ollama, ElevenLabs and LangChain", async () => {
  const mock = new LLMock({ port: 0 });
  mock.onMessage("hello", { content: "Hi there!" });
  mock.onMessage("weather", { toolCalls: [{ name: "weather", arguments: '{"city":"Paris"}' }] });
  await mock.start();
  stops.push(() => mock.stop());
  const user = await libraryAt(mock.url);

  const openai = new OpenAI({ apiKey: "byok", fetch: user.fetch("openai") });
  const completion = await openai.chat.completions.create({ model: "gpt-4o", messages: MESSAGES });
  assert.equal(completion.choices[0]?.message.content, "Hi there!");
  let text = "";
  const stream = await openai.chat.completions.create({
    model: "gpt-4o",
    messages: MESSAGES,
    stream: true,
  });
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  assert.equal(text, "Hi there!");
  const called = await openai.chat.completions.create({
    model: "gpt-4o",
    messages: [{ role: "user", content: "the weather" }],
    tools: [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }],
  });
  const call = called.choices[0]?.message.tool_calls?.[0];
  assert.equal(call?.type === "function" && call.function.arguments, '{"city":"Paris"}');
  const response = await openai.responses.create({ model: "gpt-4o", input: "hello" });
  assert.equal(response.output_text, "Hi there!");
  const embedding = await openai.embeddings.create({ model: "text-embedding-3-small", input: "x" });
  assert.ok((embedding.data[0]?.embedding.length ?? 0) > 0);

  const anthropic = new Anthropic({ apiKey: "byok", fetch: user.fetch("anthropic") });
  const body = { model: "claude-sonnet-4-5", max_tokens: 10, messages: MESSAGES };
  assert.equal(await anthropic.messages.stream(body).finalText(), "Hi there!");
  const [part] = (await anthropic.messages.create(body)).content;
  assert.equal(part?.type === "text" && part.text, "Hi there!");

  const gemini = new GoogleGenAI({
    apiKey: "byok",
    httpOptions: { apiVersion: "v1beta", fetch: user.fetch("gemini") },
  });
  const question = { model: "gemini-2.5-flash", contents: "hello" };
  assert.equal((await gemini.models.generateContent(question)).text, "Hi there!");
  text = "";
  for await (const chunk of await gemini.models.generateContentStream(question))
    text += chunk.text ?? "";
  assert.equal(text, "Hi there!");

  const ollama = new Ollama({ host: mock.url, fetch: user.fetch("ollama") });
  const answer = await ollama.chat({ model: "llama3", messages: MESSAGES });
  assert.equal(answer.message.content, "Hi there!");

  const configuration = { fetch: user.fetch("openai") };
  const model = new ChatOpenAI({ apiKey: "byok", model: "gpt-4o", configuration });
  assert.equal((await model.invoke("hello")).text, "Hi there!");

  const elevenlabs = new ElevenLabsClient({ apiKey: "byok", fetch: user.fetch("elevenlabs") });
  const speech = elevenlabs.textToSpeech.convert("voice", { text: "hello" });
  // There is no fixture for audio: that the error is the mock's own shows that it was asked.
  await assert.rejects(speech, (error: { statusCode?: number }) => error.statusCode !== undefined);
});

for (const [name, file] of [
  ["OpenAI", "openai.json.gz"],
  ["Anthropic", "anthropic.yaml.gz"],
] as const) {
  const options = haveSpecs ? {} : { skip: "../shared/specs is not present" };
  test(`the strict mock of ${name}'s API takes what its SDK sends`, options, async () => {
    const mock = await startStrictMock(JSON.stringify(document(file)));
    stops.push(() => mock.stop());
    const problems: unknown[] = [];
    const user = await libraryAt(mock.origin);
    /** Says what the mock has against a request, which the SDK may only pass on in part. */
    const watched =
      (send: typeof fetch): typeof fetch =>
      async (input, init) => {
        const response = await send(input, init);
        if (response.status >= 400) problems.push(await response.clone().text());
        return response;
      };
    // The descriptions' paths begin behind the server's own.
    const toRoot =
      (send: typeof fetch): typeof fetch =>
      (input, init) =>
        send(
          String(input).replace(/^https:\/\/api\.openai\.com\/v1/, "https://api.openai.com"),
          init,
        );
    const check = async (work: Promise<unknown>) => {
      // The mock makes its answers up from examples; what an SDK makes of those is not the question.
      await work.catch(() => {});
    };
    if (name === "OpenAI") {
      const openai = new OpenAI({
        apiKey: "byok",
        maxRetries: 0,
        fetch: toRoot(watched(user.fetch("openai"))),
      });
      await check(openai.chat.completions.create({ model: "gpt-4o", messages: MESSAGES }));
      await check(openai.embeddings.create({ model: "text-embedding-3-small", input: "x" }));
      await check(openai.audio.speech.create({ model: "tts-1", voice: "alloy", input: "hi" }));
      const file = await toFile(AUDIO, "talk.mp3");
      await check(openai.audio.transcriptions.create({ model: "whisper-1", file }));
      await check(openai.models.list());
    } else {
      const anthropic = new Anthropic({
        apiKey: "byok",
        maxRetries: 0,
        fetch: watched(user.fetch("anthropic")),
      });
      const body = { model: "claude-sonnet-4-5", max_tokens: 10, messages: MESSAGES };
      await check(anthropic.messages.create(body));
      await check(anthropic.messages.countTokens({ model: body.model, messages: MESSAGES }));
      await check(anthropic.models.list());
    }
    assert.deepEqual(problems, []);
  });
}

let server: WireServer;
let answer: Answer;
let openai: OpenAI;
before(async () => {
  server = await startWireServer((...all) => answer(...all));
  stops.push(() => server.stop());
  const user = await libraryAt(server.origin);
  openai = new OpenAI({ apiKey: "byok", fetch: user.fetch("openai"), maxRetries: 2 });
});

const fine: Answer = (_, response) => {
  response.setHeader("content-type", "application/json");
  response.end('{"object":"list","data":[]}');
};

test("an SDK's own retries work: failures, waits that the server asks for, and broken connections", async () => {
  for (const fail of [
    (response) => void response.writeHead(503).end("{}"),
    (response) => void response.writeHead(429, { "retry-after-ms": "5" }).end("{}"),
    (response) => void response.socket?.destroy(),
  ] satisfies ((response: Parameters<Answer>[1]) => void)[]) {
    server.asked.length = 0;
    answer = (request, response, asked) =>
      server.asked.length < 3 ? fail(response) : fine(request, response, asked);
    await openai.models.list();
    const counts = server.asked.map((asked) => headerOf(asked, "x-stainless-retry-count"));
    assert.deepEqual(counts, ["0", "1", "2"]);
  }
});

test("an SDK's own errors, time limits and aborts work", async () => {
  answer = (_, response) => {
    response.writeHead(400, { "content-type": "application/json", "x-request-id": "r1" });
    response.end('{"error":{"message":"no","type":"invalid_request_error","code":"c"}}');
  };
  const error = await openai.models.list().catch((error) => error);
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.deepEqual([error.code, error.requestID], ["c", "r1"]);

  answer = () => {};
  const late = openai.models.list({ timeout: 50, maxRetries: 0 });
  await assert.rejects(late, OpenAI.APIConnectionTimeoutError);
  const left = server.left;
  const controller = new AbortController();
  const aborted = openai.models.list({ signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(aborted, OpenAI.APIUserAbortError);
  await until(async () => (server.left > left ? true : undefined));

  answer = (_, response) => {
    response.setHeader("content-type", "text/event-stream");
    response.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n');
  };
  const count = server.left;
  const stream = await openai.chat.completions.create({
    model: "m",
    messages: MESSAGES,
    stream: true,
  });
  for await (const _ of stream) break;
  await until(async () => (server.left > count ? true : undefined));
});
