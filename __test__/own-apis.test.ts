// Providers with an API of their own, beside their official SDKs: asked for the same, both must send the
// same, and given the same answer, both must read the same.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DeepgramClient } from "@deepgram/sdk";
import { ElevenLabsClient } from "@elevenlabs/elevenlabs-js";
import { type GenerateContentConfig, GoogleGenAI } from "@google/genai";
import { CohereClientV2 } from "cohere-ai";
import { VoyageAIClient } from "voyageai";
import { BYOK, type ChatRequest, MemoryStore, type User } from "../dist/index.js";
import {
  type Answer,
  type AnswerServer,
  comparable,
  json,
  startAnswerServer,
} from "./support/one-answer.js";
import type { Json } from "./support/recordings.js";

const KEY = "canary-key-0123456789abcdefghijk";
const WAV = Buffer.concat([Buffer.from("RIFF\x24\0\0\0WAVEfmt ", "latin1"), randomBytes(4000)]);
const RECORDINGS = join(__dirname, "../../shared/recordings");
const PROVIDERS = ["gemini", "elevenlabs", "deepgram", "cohere", "voyage"];

let server: AnswerServer;
let byok: BYOK;
let user: User;
let gemini: GoogleGenAI;
let elevenlabs: ElevenLabsClient;
let deepgram: DeepgramClient;
let cohere: CohereClientV2;
let voyage: VoyageAIClient;

before(async () => {
  server = await startAnswerServer();
  const { origin } = server;
  const base: Record<string, string> = { gemini: "/v1beta", voyage: "/v1" };
  const providers: Record<string, object> = {};
  for (const provider of PROVIDERS) {
    const baseURL = origin + (base[provider] ?? "");
    providers[provider] = { baseURL, allowPrivateNetwork: true, maxRetries: 0 };
  }
  byok = new BYOK({ masterKey: randomBytes(32), store: new MemoryStore(), providers });
  for (const provider of PROVIDERS)
    await byok.registerKey({ userId: "u", provider, apiKey: KEY, validate: false });
  user = byok.use("u");
  gemini = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: origin, apiVersion: "v1beta" } });
  elevenlabs = new ElevenLabsClient({ apiKey: KEY, baseUrl: origin, maxRetries: 0 });
  const environment = { base: origin, production: origin, agent: origin, agentRest: origin };
  deepgram = new DeepgramClient({ apiKey: KEY, environment });
  cohere = new CohereClientV2({ token: KEY, environment: origin });
  voyage = new VoyageAIClient({ apiKey: KEY, environment: `${origin}/v1` });
});
after(async () => {
  server.stop();
  await byok.close();
});

const CREDENTIALS = ["authorization", "x-goog-api-key", "xi-api-key"];

/** Asks both with one answer. What they sent must be the same, the credential included. */
async function both<Ours, Theirs>(
  answer: Answer,
  ours: () => Promise<Ours>,
  theirs: () => Promise<Theirs>,
): Promise<[Ours, Theirs]> {
  server.answer = answer;
  server.take();
  const mine = await ours();
  const [own, ...more] = server.take();
  assert.equal(more.length, 0);
  const other = await theirs();
  const [sdk, ...rest] = server.take();
  assert.equal(rest.length, 0);
  assert.ok(own && sdk);
  assert.deepEqual(await comparable(own), await comparable(sdk));
  for (const name of CREDENTIALS) assert.equal(own.headers[name], sdk.headers[name], name);
  assert.ok(CREDENTIALS.some((name) => own.headers[name]?.includes(KEY)));
  return [mine, other];
}

const rounded = (numbers: Iterable<number>) => [...numbers].map(Math.fround);
const file = (path: string) => readFileSync(join(RECORDINGS, path));
const skip = existsSync(RECORDINGS) ? {} : { skip: "../shared/recordings is not present" };

test("Gemini's vectors, one and many", async () => {
  for (const input of [["a"], ["a", "b"]]) {
    const vectors = input.map((_, index) => ({ values: [index + 0.25, -1.5] }));
    const [ours, theirs] = await both(
      json({ embeddings: vectors }),
      () =>
        user.embed({
          provider: "gemini",
          model: "gemini-embedding-001",
          input,
          dimensions: 2,
          inputType: "document",
        }),
      () =>
        gemini.models.embedContent({
          model: "gemini-embedding-001",
          contents: input.map((text) => ({ parts: [{ text }] })),
          config: { outputDimensionality: 2, taskType: "RETRIEVAL_DOCUMENT" },
        }),
    );
    assert.deepEqual(
      ours.embeddings.map((vector) => [...vector]),
      theirs.embeddings?.map((embedding) => rounded(embedding.values ?? [])),
    );
  }
});

/** A Gemini answer of one part of inline data. */
const inline = (mimeType: string, data: Buffer): Json => ({
  candidates: [
    {
      content: {
        role: "model",
        parts: [{ inlineData: { mimeType, data: data.toString("base64") } }],
      },
      finishReason: "STOP",
    },
  ],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 40, totalTokenCount: 43 },
});

test("Gemini's speech, whole and streamed", async () => {
  const samples = randomBytes(4800);
  const config = {
    responseModalities: ["AUDIO"],
    speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: "Puck" } } },
  } satisfies GenerateContentConfig;
  const request = {
    model: "gemini-2.5-flash-preview-tts",
    contents: "Hello",
    config,
  };
  const wanted = { provider: "gemini", text: "Hello", voice: "Puck", format: "pcm" };
  const answer = inline("audio/L16;codec=pcm;rate=24000", samples);
  const [ours, theirs] = await both(
    json(answer),
    () => user.textToSpeech(wanted),
    () => gemini.models.generateContent(request),
  );
  assert.equal(ours.audio.toString("base64"), theirs.data);
  assert.equal(ours.contentType, "audio/pcm;rate=24000;encoding=s16le;channels=1");
  assert.deepEqual(ours.usage, { inputTokens: 3, outputTokens: 40 });

  const events = `data: ${JSON.stringify(answer)}\r\n\r\n`;
  const [streamed, sdk] = await both(
    { body: Buffer.from(events), contentType: "text/event-stream" },
    () => joined(user.textToSpeechStream(wanted)),
    async () => {
      const pieces: Buffer[] = [];
      for await (const one of await gemini.models.generateContentStream(request))
        pieces.push(Buffer.from(one.data ?? "", "base64"));
      return Buffer.concat(pieces);
    },
  );
  assert.deepEqual(streamed, sdk);
});

test("Gemini's images and edits", async () => {
  const png = Buffer.from("\x89PNG\r\n\x1a\n....", "latin1");
  const config: GenerateContentConfig = {
    responseModalities: ["IMAGE"],
    seed: 7,
    imageConfig: { aspectRatio: "16:9" },
  };
  const [ours, theirs] = await both(
    json(inline("image/png", png)),
    () =>
      user.generateImage({
        provider: "gemini",
        model: "gemini-3.1-flash-image-preview",
        prompt: "Make it blue",
        aspectRatio: "16:9",
        seed: 7,
        images: [png],
      }),
    () =>
      gemini.models.generateContent({
        model: "gemini-3.1-flash-image-preview",
        contents: [
          {
            role: "user",
            parts: [
              { text: "Make it blue" },
              { inlineData: { mimeType: "image/png", data: png.toString("base64") } },
            ],
          },
        ],
        config,
      }),
  );
  assert.equal(ours.images[0]?.data.toString("base64"), theirs.data);
  assert.equal(ours.images[0]?.contentType, "image/png");
});

test("Gemini's transcripts", async () => {
  const text =
    "Write down the speech in this audio word for word. Answer with the transcript and nothing else; with nothing where there is no speech.";
  const said = { role: "model", parts: [{ text: "Hello there." }] };
  const [ours, theirs] = await both(
    json({ candidates: [{ content: said, finishReason: "STOP" }] }),
    () => user.speechToText({ provider: "gemini", audio: WAV }),
    () =>
      gemini.models.generateContent({
        model: "gemini-3.7-flash",
        contents: [
          {
            role: "user",
            parts: [
              { inlineData: { mimeType: "audio/wav", data: WAV.toString("base64") } },
              { text },
            ],
          },
        ],
      }),
  );
  assert.equal(ours.text, theirs.text);
});

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

test("ElevenLabs' speech, whole and streamed", skip, async () => {
  const audio = file("bodies-prism-php/elevenlabs/text-to-speech-basic-1.json");
  const answer = { body: audio, contentType: "audio/mpeg", headers: { "character-cost": "5" } };
  const wanted = { provider: "elevenlabs", text: "Hello", voice: "v1", language: "de", speed: 1.1 };
  const request = {
    text: "Hello",
    modelId: "eleven_multilingual_v2",
    languageCode: "de",
    voiceSettings: { speed: 1.1 },
    outputFormat: "mp3_44100_128",
  } as const;
  const [ours, theirs] = await both(
    answer,
    () => user.textToSpeech(wanted),
    async () => joined(await elevenlabs.textToSpeech.convert("v1", request)),
  );
  assert.deepEqual(ours.audio, theirs);
  assert.deepEqual([ours.contentType, ours.usage], ["audio/mpeg", { characters: 5 }]);
  const [streamed, sdk] = await both(
    answer,
    () => joined(user.textToSpeechStream(wanted)),
    async () => joined(await elevenlabs.textToSpeech.stream("v1", request)),
  );
  assert.deepEqual(streamed, sdk);
});

test("ElevenLabs' transcripts", skip, async () => {
  for (const path of [
    "bodies-vercel-ai/elevenlabs/elevenlabs-transcription.json",
    "bodies-prism-php/elevenlabs/speech-to-text-event-tagging-1.json",
    "bodies-prism-php/elevenlabs/speech-to-text-options-1.json",
  ]) {
    const [ours, theirs] = await both(
      { body: file(path), contentType: "application/json" },
      () =>
        user.speechToText({
          provider: "elevenlabs",
          audio: WAV,
          filename: "a.wav",
          language: "en",
          timestamps: "word",
          diarize: true,
          temperature: 0.5,
          providerOptions: { keyterms: ["byok", "vault"] },
        }),
      () =>
        elevenlabs.speechToText.convert({
          modelId: "scribe_v2",
          file: new File([WAV], "a.wav", { type: "audio/wav" }),
          languageCode: "en",
          timestampsGranularity: "word",
          diarize: true,
          temperature: 0.5,
          keyterms: ["byok", "vault"],
        }) as Promise<Json>,
    );
    assert.equal(ours.text, theirs.text);
    assert.equal(ours.language, theirs.languageCode);
    const words = theirs.words.filter((word: Json) => word.type !== "spacing");
    assert.deepEqual(
      ours.words?.map((word) => [word.text, word.startSeconds, word.endSeconds, word.speaker]),
      words.map((word: Json) => [word.text, word.start, word.end, word.speakerId]),
    );
  }
});

test("Deepgram's speech", async () => {
  const answer = {
    body: randomBytes(5000),
    contentType: "audio/wav",
    headers: { "dg-char-count": "5" },
  };
  const [ours, theirs] = await both(
    answer,
    () => user.textToSpeech({ provider: "deepgram", text: "Hello", voice: "zeus", format: "wav" }),
    async () => {
      const request = {
        text: "Hello",
        model: "aura-2-zeus-en",
        encoding: "linear16",
        container: "wav",
      } as const;
      const response = await deepgram.speak.v1.audio.generate(request);
      return Buffer.from(await response.arrayBuffer());
    },
  );
  assert.deepEqual(ours.audio, theirs);
  assert.deepEqual([ours.contentType, ours.usage], ["audio/wav", { characters: 5 }]);
});

test("Deepgram's transcripts, the audio as it is", async () => {
  const word = {
    word: "hello",
    punctuated_word: "Hello.",
    start: 0.1,
    end: 0.5,
    confidence: 1,
    speaker: 0,
  };
  const answer = {
    metadata: {
      request_id: "r",
      sha256: "x",
      created: "2026-01-01T00:00:00Z",
      duration: 1.5,
      channels: 1,
      models: [],
      model_info: {},
    },
    results: {
      channels: [
        {
          detected_language: "en",
          alternatives: [{ transcript: "Hello.", confidence: 1, words: [word] }],
        },
      ],
      utterances: [{ start: 0.1, end: 0.5, transcript: "Hello.", speaker: 0, channel: 0 }],
    },
  };
  const path = join(mkdtempSync(join(tmpdir(), "byok-")), "a.wav");
  writeFileSync(path, WAV);
  const [ours, theirs] = await both(
    json(answer),
    () =>
      user.speechToText({
        provider: "deepgram",
        audio: WAV,
        language: "en",
        diarize: true,
        providerOptions: { keyterm: ["byok", "vault"] },
      }),
    () => {
      const source = { path, contentType: "audio/wav" };
      return deepgram.listen.v1.media.transcribeFile(source, {
        model: "nova-3",
        smart_format: true,
        language: "en",
        diarize: true,
        utterances: true,
        keyterm: ["byok", "vault"],
      }) as Promise<Json>;
    },
  );
  const [channel] = theirs.results.channels;
  assert.equal(ours.text, channel.alternatives[0].transcript);
  assert.equal(ours.language, channel.detected_language);
  assert.equal(ours.durationSeconds, theirs.metadata.duration);
  assert.equal(ours.id, theirs.metadata.request_id);
  assert.equal(ours.segments?.[0]?.text, theirs.results.utterances[0].transcript);
});

test("Voyage AI's vectors in base64", skip, async () => {
  const recorded = JSON.parse(file("exchanges/voyage/TestVoyageAI.test_query-0.json").toString());
  const [ours] = await both(
    json(recorded.response.body),
    () =>
      user.embed({
        provider: "voyage",
        input: ["Hello, world!"],
        inputType: "query",
        dimensions: 1024,
      }),
    () =>
      voyage.embed({
        input: ["Hello, world!"],
        model: "voyage-3.5",
        inputType: "query",
        outputDimension: 1024,
        encodingFormat: "base64",
      }),
  );
  const bytes = Buffer.from(recorded.response.body.data[0].embedding, "base64");
  const floats = new Float32Array(new Uint8Array(bytes).buffer);
  assert.deepEqual(ours.embeddings, [floats]);
  assert.deepEqual(ours.usage, { inputTokens: 3 });
});

test("Cohere's vectors", skip, async () => {
  const recorded = JSON.parse(file("exchanges/cohere/TestCohere.test_query-0.json").toString());
  const [ours, theirs] = await both(
    json(recorded.response.body),
    () =>
      user.embed({
        provider: "cohere",
        input: "Hello, world!",
        inputType: "query",
        dimensions: 1536,
      }),
    () =>
      cohere.embed({
        texts: ["Hello, world!"],
        model: "embed-v4.0",
        inputType: "search_query",
        embeddingTypes: ["float"],
        outputDimension: 1536,
      }),
  );
  assert.deepEqual(
    ours.embeddings.map((vector) => [...vector]),
    theirs.embeddings.float?.map(rounded),
  );
  assert.equal(ours.usage.inputTokens, theirs.meta?.billedUnits?.inputTokens);
  assert.equal(ours.id, theirs.id);
});

const TOOL = {
  name: "weather",
  description: "The weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const QUESTION: ChatRequest = {
  provider: "cohere",
  model: "command-a-03-2025",
  messages: [
    { role: "system", content: "Be brief" },
    { role: "user", content: "Weather?" },
  ],
  maxTokens: 50,
  temperature: 0.5,
  topP: 0.9,
  stop: ["END"],
  seed: 7,
  tools: [TOOL],
  toolChoice: "required",
  reasoning: { maxTokens: 20 },
};
const COHERE_QUESTION = {
  model: "command-a-03-2025",
  messages: [
    { role: "system" as const, content: "Be brief" },
    { role: "user" as const, content: "Weather?" },
  ],
  maxTokens: 50,
  temperature: 0.5,
  p: 0.9,
  stopSequences: ["END"],
  seed: 7,
  tools: [{ type: "function" as const, function: TOOL }],
  toolChoice: "REQUIRED" as const,
  thinking: { type: "enabled" as const, tokenBudget: 20 },
};

test("Cohere's chat, whole", skip, async () => {
  for (const name of ["cohere-tool-call", "cohere-reasoning", "cohere-citations"]) {
    const [ours, theirs] = await both(
      { body: file(`ai-sdk-fixtures/cohere/${name}.json`), contentType: "application/json" },
      () => user.chat(QUESTION),
      () => cohere.chat(COHERE_QUESTION),
    );
    const contents: Json[] = theirs.message.content ?? [];
    assert.equal(ours.text, contents.map((content) => content.text ?? "").join(""));
    const thoughts = contents.map((content) => content.thinking ?? "");
    const reasoning = [theirs.message.toolPlan ?? "", ...thoughts].filter(Boolean).join("\n\n");
    assert.equal(ours.reasoning ?? "", reasoning);
    assert.deepEqual(
      ours.toolCalls.map((call) => [call.id, call.name, JSON.stringify(call.arguments)]),
      (theirs.message.toolCalls ?? []).map((call) => [
        call.id,
        call.function?.name,
        call.function?.arguments,
      ]),
    );
    assert.equal(ours.rawFinishReason, theirs.finishReason);
    assert.equal(ours.usage.inputTokens, theirs.usage?.tokens?.inputTokens);
    assert.equal(ours.usage.outputTokens, theirs.usage?.tokens?.outputTokens);
    assert.equal(ours.id, theirs.id);
  }
});

test("Cohere's chat, streamed", skip, async () => {
  for (const name of ["cohere-tool-call", "cohere-reasoning"]) {
    const lines = file(`ai-sdk-fixtures/cohere/${name}.chunks.txt`).toString().trim().split("\n");
    const framed = lines
      .map((line) => `event: ${JSON.parse(line).type}\ndata: ${line}\n\n`)
      .join("");
    const [ours, theirs] = await both(
      { body: Buffer.from(framed), contentType: "text/event-stream" },
      () => user.chatStream(QUESTION).result,
      async () => {
        const events: Json[] = [];
        for await (const event of await cohere.chatStream(COHERE_QUESTION)) events.push(event);
        return events;
      },
    );
    const text = (of: (message: Json) => string | undefined) =>
      theirs.map((event) => (event.delta?.message && of(event.delta.message)) ?? "").join("");
    assert.equal(
      ours.text,
      text((message) => message.content?.text),
    );
    assert.equal(
      ours.reasoning ?? "",
      text((message) => message.toolPlan ?? message.content?.thinking),
    );
    const starts = theirs.filter((event) => event.type === "tool-call-start");
    assert.deepEqual(
      ours.toolCalls.map((call) => [call.id, call.name]),
      starts.map(({ delta }) => [
        delta.message.toolCalls.id,
        delta.message.toolCalls.function.name,
      ]),
    );
    const end = theirs.at(-1);
    assert.equal(ours.rawFinishReason, end.delta.finishReason);
    assert.equal(ours.usage.outputTokens, end.delta.usage.tokens.outputTokens);
  }
});

test("a key that may not do the first check is checked in another way, and a bad one is refused", async () => {
  const missing = {
    elevenlabs: { detail: { status: "missing_permissions", message: "user_read is missing." } },
    deepgram: { err_code: "INSUFFICIENT_PERMISSIONS", err_msg: "No.", request_id: "r" },
  };
  const bad = {
    elevenlabs: { detail: { status: "invalid_api_key", message: "Invalid API key" } },
    deepgram: { err_code: "INVALID_AUTH", err_msg: "Invalid credentials.", request_id: "r" },
  };
  const paths = {
    elevenlabs: ["/v1/user", "/v1/models"],
    deepgram: ["/v1/projects", "/v1/auth/token"],
  };
  for (const provider of ["elevenlabs", "deepgram"] as const) {
    const register = () => byok.registerKey({ userId: "v", provider, apiKey: KEY });
    const refusal = provider === "elevenlabs" ? 401 : 403;
    let count = 0;
    server.answer = (response) => {
      count += 1;
      const [status, body] = count === 1 ? [refusal, missing[provider]] : [200, {}];
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    server.take();
    assert.equal((await register()).status, "active");
    const asked = server.take();
    assert.deepEqual(
      asked.map(({ path }) => path),
      paths[provider],
    );
    server.answer = (response) => {
      response.writeHead(401, { "content-type": "application/json" });
      response.end(JSON.stringify(bad[provider]));
    };
    await assert.rejects(register(), { code: "KEY_REJECTED" });
    assert.equal(server.take().length, 1);
  }
});

test("an exhausted quota of ElevenLabs is no bad key, although it is a 401", async () => {
  server.answer = (response) => {
    response.writeHead(401, { "content-type": "application/json", "request-id": "req-1" });
    const detail = { status: "quota_exceeded", message: "You have 0 credits remaining." };
    response.end(JSON.stringify({ detail }));
  };
  await assert.rejects(user.textToSpeech({ provider: "elevenlabs", text: "Hello" }), {
    code: "QUOTA_EXCEEDED",
    status: 401,
    requestId: "req-1",
    retryable: false,
  });
});
