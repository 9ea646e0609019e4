// Recorded embeddings, transcripts, speech and images of real providers through the whole stack: the
// addon and the SDK of the same provider (its own, or the AI SDK's package) ask one server for the same
// bytes, and must read the same. The Rust suite holds the same recordings against EXPECTED.json.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { createGroq } from "@ai-sdk/groq";
import { createMistral } from "@ai-sdk/mistral";
import { createOpenAI } from "@ai-sdk/openai";
import { createXai } from "@ai-sdk/xai";
import OpenAI from "openai";
import { BYOK, MemoryStore, type User } from "../dist/index.js";
import { type Json, loadAll, type Recording } from "./support/recordings.js";
import { askingFor, type Cut, type Replay, startReplay } from "./support/replay.js";

const PROVIDERS = ["openai", "mistral", "openrouter", "xai", "groq"];
const WAV = Buffer.from("52494646240000005741564566d7420", "hex");
const loaded = loadAll();
if (!loaded) console.log("skipped: ../shared/recordings is not present");
const options = loaded ? {} : { skip: "../shared/recordings is not present" };
const recordings = (loaded ?? []).filter(
  ({ api, status, provider }) => api === "other" && status === 200 && PROVIDERS.includes(provider),
);

/** Those of a kind in EXPECTED.json. */
const ofKind = (...kinds: string[]) =>
  recordings.filter(({ expected }) => kinds.some((kind) => expected?.kind?.startsWith(kind)));

let replay: Replay;
let user: User;

before(async () => {
  const [wrapped] = ofKind("stt-plain-text");
  if (wrapped) wrapped.body = Buffer.from(JSON.parse(wrapped.body.toString()).body);
  if (wrapped) wrapped.kind = "other";
  replay = await startReplay(recordings);
  linkToRecorded();
  const here = { baseURL: `${replay.origin}/v1`, allowPrivateNetwork: true };
  const providers = Object.fromEntries(PROVIDERS.map((provider) => [provider, here]));
  // Recorded refusals are answers like any other here.
  const health = { invalidAfter: 0 };
  const byok = new BYOK({
    masterKey: randomBytes(32),
    store: new MemoryStore(),
    providers,
    health,
  });
  for (const provider of PROVIDERS)
    await byok.registerKey({ userId: "u", provider, apiKey: "sk-test-0123", validate: false });
  user = byok.use("u", { maxRetries: 0 });
});
after(() => replay.close());

/** xAI answers with a link to an image, which was recorded, too. */
function linkToRecorded(): void {
  const [image] = ofKind("image-bytes");
  const answer = ofKind("images").find(({ provider }) => provider === "xai");
  if (!image || !answer) return;
  const body: Json = JSON.parse(answer.body.toString());
  body.data[0].url = `${replay.origin}/download/${recordings.indexOf(image)}`;
  answer.body = Buffer.from(JSON.stringify(body));
}

const routing = (recording: Recording, cut: Cut = "random") => ({
  provider: recording.provider,
  model: "m",
  headers: askingFor(recordings.indexOf(recording), cut),
});

/** What an SDK needs to ask for a recording. */
function clientOf(recording: Recording) {
  const headers = askingFor(recordings.indexOf(recording));
  const settings = { apiKey: "sk-test", baseURL: `${replay.origin}/v1` };
  return {
    openai: new OpenAI({ ...settings, defaultHeaders: headers, maxRetries: 0 }),
    aiOpenai: createOpenAI({ ...settings, headers }),
    mistral: createMistral({ ...settings, headers }),
    groq: createGroq({ ...settings, headers }),
    xai: createXai({ ...settings, headers }),
  };
}

test("every recorded embedding reads as the provider's SDK reads it", options, async () => {
  const all = recordings.filter(
    ({ kind, body }) => kind === "json" && vectorsIn(JSON.parse(body.toString())) > 0,
  );
  assert.ok(all.length >= 7, `only ${all.length}`);
  for (const recording of all) {
    const n = vectorsIn(JSON.parse(recording.body.toString()));
    const input = Array.from({ length: n }, (_, index) => `text ${index}`);
    const { openai, mistral } = clientOf(recording);
    const ours = await user.embed({ input, ...routing(recording) });
    let theirs: { embeddings: ArrayLike<number>[]; tokens: number | undefined };
    if (recording.provider === "mistral") {
      const { embeddings, usage } = await mistral.embedding("m").doEmbed({ values: input });
      theirs = { embeddings, tokens: usage?.tokens };
    } else {
      // The SDK asks for base64 unless told otherwise, and decodes it; the answer may be numbers.
      const isBase64 = recording.body.includes('"embedding":"');
      const body = {
        model: "m",
        input,
        ...(isBase64 ? {} : { encoding_format: "float" as const }),
      };
      const answer = await openai.embeddings.create(body);
      const embeddings = answer.data.map(({ embedding }) => embedding);
      theirs = { embeddings, tokens: answer.usage.prompt_tokens };
    }
    assert.equal(ours.embeddings.length, n, recording.path);
    assert.deepEqual(
      ours.embeddings,
      theirs.embeddings.map((numbers) => Float32Array.from(numbers)),
      recording.path,
    );
    assert.equal(ours.usage.inputTokens, theirs.tokens, recording.path);
  }
});

const vectorsIn = (answer: Json): number => (answer.data?.[0]?.embedding ? answer.data.length : 0);

test("every recorded transcript reads as the provider's SDK reads it", options, async () => {
  const all = ofKind("stt");
  assert.ok(all.length >= 8, `only ${all.length}`);
  for (const recording of all) {
    const { openai, aiOpenai, mistral, groq } = clientOf(recording);
    const isStream = recording.kind === "sse";
    const isText = recording.kind === "other";
    const providerOptions = {
      ...(isStream ? { stream: true } : {}),
      ...(isText ? { response_format: "text" } : {}),
    };
    const ours = await user.speechToText({
      audio: WAV,
      filename: "a.wav",
      providerOptions,
      ...routing(recording),
    });
    const call = { audio: WAV, mediaType: "audio/wav" };
    if (recording.provider === "mistral") {
      const theirs = await mistral.transcription("m").doGenerate(call);
      assert.equal(ours.text, theirs.text, recording.path);
      assert.deepEqual(timesOf(ours.segments), theirs.segments, recording.path);
      assert.equal(ours.durationSeconds, theirs.durationInSeconds, recording.path);
      continue;
    }
    const file = new File([WAV], "a.wav");
    if (isText) {
      const providerOptions = { groq: { responseFormat: "text" as const } };
      const theirs = await groq.transcription("m").doGenerate({ ...call, providerOptions });
      assert.equal(ours.text, theirs.text, recording.path);
      continue;
    }
    if (isStream) {
      const body = { file, model: "gpt-4o-transcribe", stream: true } as const;
      let last: Json;
      for await (const event of await openai.audio.transcriptions.create(body)) last = event;
      assert.equal(ours.text, last.text, recording.path);
      assert.equal(ours.usage.inputTokens, last.usage.input_tokens, recording.path);
      assert.equal(ours.usage.outputTokens, last.usage.output_tokens, recording.path);
      continue;
    }
    const raw: Json = await openai.audio.transcriptions.create({ file, model: "m" });
    assert.equal(ours.text, raw.text, recording.path);
    assert.equal(ours.usage.audioSeconds, raw.usage?.seconds, recording.path);
    assert.equal(ours.usage.outputTokens, raw.usage?.output_tokens, recording.path);
    const theirs = await aiOpenai.transcription("m").doGenerate(call);
    assert.equal(ours.durationSeconds, theirs.durationInSeconds, recording.path);
    const words = theirs.segments.length > 0 && !raw.segments;
    assert.deepEqual(timesOf(words ? ours.words : ours.segments), theirs.segments, recording.path);
    assert.deepEqual(
      ours.segments?.map(({ speaker }) => speaker),
      raw.segments?.map((segment: Json) => segment.speaker),
    );
  }
});

interface Timed {
  text: string;
  startSeconds: number;
  endSeconds: number;
}

/** Segments or words as the AI SDK has them. */
const timesOf = (all: Timed[] = []) =>
  all.map(({ text, startSeconds, endSeconds }) => ({
    text,
    startSecond: startSeconds,
    endSecond: endSeconds,
  }));

test("every recorded speech reads as the provider's SDK reads it", options, async () => {
  const all = ofKind("audio", "tts-json");
  assert.ok(all.length >= 5, `only ${all.length}`);
  const text = "Ruby is a programming language.";
  for (const recording of all) {
    const { openai, mistral, xai } = clientOf(recording);
    const ours = await user.textToSpeech({ text, ...routing(recording) });
    assert.equal(ours.contentType, "audio/mpeg", recording.path);
    const stream = user.textToSpeechStream({ text, ...routing(recording, "7") });
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece);
    let theirs: Uint8Array;
    if (recording.provider === "mistral" || recording.provider === "xai") {
      const model = recording.provider === "xai" ? xai.speech() : mistral.speech("m");
      const { audio } = await model.doGenerate({ text });
      theirs = typeof audio === "string" ? Buffer.from(audio, "base64") : audio;
    } else {
      const body = { model: "m", input: text, voice: "alloy" };
      const response = await openai.audio.speech.create(body);
      theirs = new Uint8Array(await response.arrayBuffer());
    }
    assert.ok(ours.audio.equals(theirs), recording.path);
    assert.ok(Buffer.concat(pieces).equals(theirs), recording.path);
  }
});

test("every recorded image reads as the provider's SDK reads it", options, async () => {
  const all = ofKind("images");
  assert.ok(all.length >= 4, `only ${all.length}`);
  for (const recording of all) {
    const { openai } = clientOf(recording);
    const ours = await user.generateImage({ prompt: "a cat", ...routing(recording) });
    const theirs = await openai.images.generate({ model: "m", prompt: "a cat" });
    assert.equal(ours.images.length, theirs.data?.length, recording.path);
    for (const [index, image] of (theirs.data ?? []).entries()) {
      const bytes = image.b64_json
        ? Buffer.from(image.b64_json, "base64")
        : Buffer.from(await (await fetch(image.url ?? "")).arrayBuffer());
      assert.ok(ours.images[index]?.data.equals(bytes), recording.path);
      assert.equal(ours.images[index]?.revisedPrompt, image.revised_prompt, recording.path);
      assert.match(ours.images[index]?.contentType ?? "", /^image\/(png|jpeg)$/);
    }
    const usage: Json = theirs.usage ?? {};
    assert.equal(ours.usage.totalTokens, usage.total_tokens, recording.path);
    assert.equal(ours.usage.inputTokens, usage.input_tokens ?? usage.prompt_tokens);
  }
});

test(
  "recorded audio that breaks off is an error, as a whole and as a stream",
  options,
  async () => {
    for (const recording of ofKind("audio", "tts-json")) {
      const broken = routing(recording, `break:${recording.body.length >> 1}`);
      await assert.rejects(user.textToSpeech({ text: "Hi", ...broken }), recording.path);
      const pieces: Buffer[] = [];
      await assert.rejects(async () => {
        for await (const piece of user.textToSpeechStream({ text: "Hi", ...broken }))
          pieces.push(piece);
      }, recording.path);
    }
  },
);
