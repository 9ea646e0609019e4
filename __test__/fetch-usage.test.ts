// Calls through user.fetch and user.forward are seen like any other: usage is read while answers pass, the app's
// limits hold, and a refused key is remembered.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { BYOK, type BYOKOptions, MemoryStore, type UsageEvent } from "../dist/index.js";
import { failsWith, keyOf, libraryAt, MASTER, PROVIDERS } from "./support/library.js";
import { type Practice, startPractice, until } from "./support/practice.js";
import { type Answer, startWireServer } from "./support/wire-server.js";

const MESSAGES = [{ role: "user" as const, content: "one two three" }];
const stops: (() => unknown)[] = [];
let practice: Practice;

before(async () => {
  practice = await startPractice((stop) => stops.push(stop));
});
after(async () => {
  for (const stop of stops) await stop();
});

async function library(options: Partial<BYOKOptions> = {}) {
  const byok = libraryAt(practice, options);
  stops.unshift(() => byok.close());
  for (const provider of PROVIDERS)
    await byok.registerKey({
      userId: "u",
      provider,
      apiKey: keyOf(practice, provider),
      validate: false,
    });
  return byok;
}

/** The events so far, once there are as many as asked for. */
async function eventsOf(byok: BYOK, count: number): Promise<UsageEvent[]> {
  return await until(async () => {
    const events: UsageEvent[] = [];
    for await (const event of byok.usageEvents({ from: 0 })) events.push(event);
    return events.length >= count ? events : undefined;
  });
}

test("chats are counted as the provider counts them, whole and streamed", async () => {
  const byok = await library();
  const user = byok.use("u");
  const openai = new OpenAI({ apiKey: "byok", fetch: user.fetch("openai") });
  const anthropic = new Anthropic({ apiKey: "byok", fetch: user.fetch("anthropic") });
  const gemini = new GoogleGenAI({ apiKey: "byok", httpOptions: { fetch: user.fetch("gemini") } });
  const completion = { model: "m", messages: MESSAGES };
  const message = { model: "m", max_tokens: 50, messages: MESSAGES };
  const said: number[] = [];

  said.push((await openai.chat.completions.create(completion)).usage?.completion_tokens ?? -1);
  const withUsage = {
    ...completion,
    stream: true as const,
    stream_options: { include_usage: true },
  };
  for await (const chunk of await openai.chat.completions.create(withUsage))
    if (chunk.usage) said.push(chunk.usage.completion_tokens);
  const response = await openai.responses.create({ model: "m", input: "one two three" });
  said.push(response.usage?.output_tokens ?? -1);
  const responses = await openai.responses.create({ model: "m", input: "one two", stream: true });
  for await (const event of responses)
    if (event.type === "response.completed") said.push(event.response.usage?.output_tokens ?? -1);
  said.push((await anthropic.messages.create(message)).usage.output_tokens);
  said.push((await anthropic.messages.stream(message).finalMessage()).usage.output_tokens);
  const asked = { model: "m", contents: "one two three" };
  const generated = await gemini.models.generateContent(asked);
  said.push(generated.usageMetadata?.candidatesTokenCount ?? -1);
  let last = -1;
  for await (const chunk of await gemini.models.generateContentStream(asked))
    last = chunk.usageMetadata?.candidatesTokenCount ?? last;
  said.push(last);

  const events = await eventsOf(byok, said.length);
  assert.deepEqual(
    events.map((event) => event.outputTokens),
    said,
  );
  for (const event of events) {
    assert.equal(event.status, "ok");
    assert.equal(event.capability, "chat");
    assert.equal(event.model, "m");
    assert.ok((event.inputTokens ?? 0) > 0);
    assert.equal(event.userId, "u");
  }
  // Lists use nothing.
  await openai.models.list();
  assert.equal((await eventsOf(byok, said.length)).length, said.length);
});

test("failures, and streams that are left, are counted for what they were", async () => {
  const byok = await library();
  const openai = new OpenAI({
    apiKey: "byok",
    fetch: byok.use("u").fetch("openai"),
    maxRetries: 0,
  });
  const wrong = openai.chat.completions.create({ model: "no-such-model", messages: MESSAGES });
  await assert.rejects(wrong, OpenAI.NotFoundError);
  const [failed] = await eventsOf(byok, 1);
  assert.deepEqual([failed?.status, failed?.model], ["MODEL_NOT_FOUND", "no-such-model"]);

  const slow = libraryAt(practice, {}, "/fault/slow,40,20");
  stops.unshift(() => slow.close());
  const apiKey = keyOf(practice, "openai");
  await slow.registerKey({ userId: "u", provider: "openai", apiKey, validate: false });
  const slowly = new OpenAI({ apiKey: "byok", fetch: slow.use("u").fetch("openai") });
  const body = { model: "m", messages: MESSAGES, stream: true as const };
  for await (const _ of await slowly.chat.completions.create(body)) break;
  const [left] = await eventsOf(slow, 1);
  assert.equal(left?.status, "abandoned");
});

test("embeddings, speech, transcriptions and images are counted by what their answers say", async () => {
  const answer: Answer = (request, response) => {
    const json = (value: object) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(value));
    };
    const path = request.url ?? "";
    if (path.includes("embeddings"))
      return json({ model: "e-1", data: [], usage: { prompt_tokens: 7, total_tokens: 7 } });
    if (path.includes("transcriptions")) return json({ text: "hi", duration: 2.5 });
    if (path.includes("images"))
      return json({ data: [{ b64_json: "eA==" }, { b64_json: "eA==" }] });
    response.setHeader("content-type", "audio/mpeg");
    response.end("audio");
  };
  const server = await startWireServer(answer);
  stops.push(() => server.stop());
  const openai = { baseURL: `${server.origin}/v1`, allowPrivateNetwork: true };
  const byok = new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers: { openai } });
  stops.unshift(() => byok.close());
  await byok.registerKey({
    userId: "u",
    provider: "openai",
    apiKey: "sk-x-0123456789",
    validate: false,
  });
  const client = new OpenAI({ apiKey: "byok", fetch: byok.use("u").fetch("openai") });
  await client.embeddings.create({ model: "e", input: "x" });
  const speech = await client.audio.speech.create({
    model: "tts-1",
    voice: "alloy",
    input: "five!",
  });
  await speech.arrayBuffer();
  const file = new File([new Uint8Array(100)], "a.mp3");
  await client.audio.transcriptions.create({ model: "whisper-1", file });
  await client.images.generate({ model: "i", prompt: "x", n: 2 });
  const seen = (await eventsOf(byok, 4)).map((event) => [
    event.capability,
    event.model,
    event.inputTokens ?? event.characters ?? event.audioMs ?? event.images,
  ]);
  assert.deepEqual(seen, [
    ["embeddings", "e-1", 7],
    ["textToSpeech", "tts-1", 5],
    ["speechToText", "whisper-1", 2500],
    ["imageGeneration", "i", 2],
  ]);
});

test("the app's limits hold, and a refused call is no TypeError", async () => {
  const byok = await library({
    limits: { rules: [{ per: "user", requests: 2, windowMs: 60_000 }] },
  });
  const ours = byok.use("u").fetch("openai");
  const ask = () =>
    ours("https://api.openai.com/v1/chat/completions", {
      method: "POST",
      body: JSON.stringify({ model: "m", messages: MESSAGES }),
    });
  assert.equal((await ask()).status, 200);
  assert.equal((await ask()).status, 200);
  await assert.rejects(ask(), failsWith("RATE_LIMITED"));
});

test("a key that the provider refuses is remembered as invalid", async () => {
  const byok = libraryAt(practice, { health: { invalidAfter: 1 } });
  stops.unshift(() => byok.close());
  const wrong = { userId: "u", provider: "openai", apiKey: "sk-wrong-0123456789abcdef" };
  await byok.registerKey({ ...wrong, validate: false });
  const ours = byok.use("u").fetch("openai");
  const response = await ours("https://api.openai.com/v1/models");
  assert.equal(response.status, 401);
  await response.text();
  await until(async () => {
    const [key] = await byok.listKeys({ userId: "u" });
    return key?.status === "invalid" ? true : undefined;
  });
  await assert.rejects(ours("https://api.openai.com/v1/models"), failsWith("KEY_INVALID"));
});
