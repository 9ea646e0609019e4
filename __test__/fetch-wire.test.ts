// What SDKs send through user.fetch is what they send with their own fetch and the real key: header by header
// and byte by byte of the body, but for the order and the HTTP client's own headers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createElevenLabs } from "@ai-sdk/elevenlabs";
import { createGoogle } from "@ai-sdk/google";
import { createGroq } from "@ai-sdk/groq";
import { createMistral } from "@ai-sdk/mistral";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { ElevenLabsClient } from "@elevenlabs/elevenlabs-js";
import { GoogleGenAI } from "@google/genai";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { Mistral } from "@mistralai/mistralai";
import { HTTPClient } from "@mistralai/mistralai/lib/http.js";
import {
  embed,
  generateSpeech,
  generateText,
  jsonSchema,
  type LanguageModel,
  streamText,
  tool,
  transcribe,
} from "ai";
import { CohereClientV2 } from "cohere-ai";
import Groq from "groq-sdk";
import { Ollama } from "ollama";
import OpenAI, { toFile } from "openai";
import { BYOK, MemoryStore } from "../dist/index.js";
import { MASTER } from "./support/library.js";
import { answerTo } from "./support/recorder.js";
import {
  type Answer,
  type Asked,
  startWireServer,
  type WireServer,
} from "./support/wire-server.js";

const KEY = "a-real-key-0123456789abcdef";
const AUDIO = Buffer.concat([Buffer.from("ID3"), Buffer.alloc(3000, 7)]);
const PNG = Buffer.from("89504e470d0a1a0a", "hex");
let server: WireServer;
let byok: BYOK;

const BASES = {
  openai: "/v1",
  anthropic: "",
  gemini: "/v1beta",
  groq: "/openai/v1",
  mistral: "/v1",
  cohere: "",
  elevenlabs: "",
  ollama: "/v1",
};
type Provider = keyof typeof BASES;

const answer: Answer = (request, response, { path, body }) => {
  const json = (value: object) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(value));
  };
  if (/audio\/speech|text-to-speech/.test(path)) {
    response.setHeader("content-type", "audio/mpeg");
    return void response.end(AUDIO);
  }
  if (/transcriptions|speech-to-text/.test(path))
    return json({
      text: "hi",
      words: [],
      language_code: "en",
      language_probability: 1,
    });
  if (/[eE]mbed/.test(path))
    return json({
      data: [{ object: "embedding", index: 0, embedding: [0.5] }],
      embeddings: path.startsWith("/v2") ? { float: [[0.5]] } : [{ values: [0.5] }],
      embedding: { values: [0.5] },
      model: "m",
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
  if (path.includes("/images/")) return json({ created: 1, data: [{ b64_json: "eA==" }] });
  if (path.startsWith("/api/chat"))
    return json({ model: "m", message: { role: "assistant", content: "hi" }, done: true });
  if (path.startsWith("/v2/chat"))
    return json({
      id: "1",
      finish_reason: "COMPLETE",
      message: { role: "assistant", content: [] },
    });
  if (/(files|models)(\/file-1)?(\?|$)|count_tokens/.test(path))
    return json({
      id: "file-1",
      object: "file",
      data: [],
      models: [],
      input_tokens: 1,
      has_more: false,
    });
  const streams = path.includes("alt=sse") || /"stream":\s*true/.test(body.toString());
  const text = answerTo(path.split("?")[0] ?? "", streams);
  response.setHeader("content-type", streams ? "text/event-stream" : "application/json");
  response.end(text ?? `{"error":{"message":"no answer to ${request.url}"}}`);
};

before(async () => {
  server = await startWireServer(answer);
  const providers = Object.fromEntries(
    Object.entries(BASES).map(([provider, path]) => [
      provider,
      { baseURL: server.origin + path, allowPrivateNetwork: true },
    ]),
  );
  byok = new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers });
  for (const provider of Object.keys(BASES))
    await byok.registerKey({ userId: "u", provider, apiKey: KEY, validate: false });
});
after(async () => {
  await byok.close();
  server.stop();
});

/** What a recipe gets: where to go, whose key, and what to send with. */
interface Means {
  apiKey: string;
  /** The provider's base URL as its SDK has it. */
  at: (path: string) => string;
  fetch: typeof fetch;
}

const USER = [{ role: "user" as const, content: "hi" }];
const PARAMETERS = { type: "object" as const, properties: { city: { type: "string" as const } } };
const file = () => toFile(AUDIO, "talk.mp3", { type: "audio/mpeg" });

const openai = ({ apiKey, at, fetch }: Means) => new OpenAI({ apiKey, baseURL: at("/v1"), fetch });
const anthropic = ({ apiKey, at, fetch }: Means) =>
  new Anthropic({ apiKey, baseURL: at(""), fetch });
const gemini = ({ apiKey, at, fetch }: Means) =>
  new GoogleGenAI({ apiKey, httpOptions: { baseUrl: at(""), fetch } });
const elevenlabs = ({ apiKey, at, fetch }: Means) =>
  new ElevenLabsClient({ apiKey, baseUrl: at(""), fetch });
const weather = tool({ inputSchema: jsonSchema(PARAMETERS), description: "weather" });

async function drain(all: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of all);
}
const both = async (model: LanguageModel) => {
  await generateText({ model, prompt: "hi", tools: { weather: weather as never } });
  await drain(streamText({ model, prompt: "hi" }).textStream);
};

const CALLS: [name: string, provider: Provider, run: (means: Means) => Promise<unknown>][] = [
  [
    "openai: chat with tools",
    "openai",
    async (means) => {
      const tools = [
        { type: "function" as const, function: { name: "w", parameters: PARAMETERS } },
      ];
      await openai(means).chat.completions.create({ model: "m", messages: USER, tools });
    },
  ],
  [
    "openai: chat stream",
    "openai",
    async (means) =>
      drain(
        await openai(means).chat.completions.create({ model: "m", messages: USER, stream: true }),
      ),
  ],
  [
    "openai: responses",
    "openai",
    async (means) => {
      await openai(means).responses.create({ model: "m", input: "hi é" });
      await drain(await openai(means).responses.create({ model: "m", input: "hi", stream: true }));
    },
  ],
  [
    "openai: embeddings",
    "openai",
    (means) => openai(means).embeddings.create({ model: "m", input: ["a", "b"] }),
  ],
  [
    "openai: speech",
    "openai",
    async (means) => {
      const speech = await openai(means).audio.speech.create({
        model: "m",
        voice: "alloy",
        input: "hi",
      });
      assert.deepEqual(Buffer.from(await speech.arrayBuffer()), AUDIO);
    },
  ],
  [
    "openai: transcription of a file",
    "openai",
    async (means) => openai(means).audio.transcriptions.create({ model: "m", file: await file() }),
  ],
  [
    "openai: image and edit",
    "openai",
    async (means) => {
      await openai(means).images.generate({ model: "m", prompt: "a cat" });
      const image = await toFile(PNG, "cat.png", { type: "image/png" });
      await openai(means).images.edit({ model: "m", prompt: "a dog", image });
    },
  ],
  [
    "openai: files and lists",
    "openai",
    async (means) => {
      await openai(means).files.create({ file: await file(), purpose: "assistants" });
      await openai(means).models.list();
      await openai(means).files.delete("file-1");
    },
  ],
  [
    "anthropic: messages, stream, tokens, models",
    "anthropic",
    async (means) => {
      const tools = [{ name: "w", input_schema: PARAMETERS }];
      const body = { model: "m", max_tokens: 10, messages: USER };
      await anthropic(means).messages.create({ ...body, tools });
      await anthropic(means).messages.stream(body).finalMessage();
      await anthropic(means).messages.countTokens({ model: "m", messages: USER });
      await anthropic(means).models.list();
    },
  ],
  [
    "anthropic: a file",
    "anthropic",
    async (means) => anthropic(means).beta.files.upload({ file: await file() }),
  ],
  [
    "gemini: content, stream, embeddings, models",
    "gemini",
    async (means) => {
      const config = { tools: [{ functionDeclarations: [{ name: "w" }] }] };
      await gemini(means).models.generateContent({ model: "m", contents: "hi é", config });
      await drain(await gemini(means).models.generateContentStream({ model: "m", contents: "hi" }));
      await gemini(means).models.embedContent({ model: "m", contents: ["a"] });
      await gemini(means).models.list();
    },
  ],
  [
    "elevenlabs: speech and transcription",
    "elevenlabs",
    async (means) => {
      const speech = await elevenlabs(means).textToSpeech.convert("voice", { text: "hi" });
      await drain(speech as unknown as AsyncIterable<unknown>);
      await elevenlabs(means).speechToText.convert({
        modelId: "scribe_v2",
        file: new Blob([AUDIO]),
      });
    },
  ],
  [
    "groq-sdk: chat",
    "groq",
    ({ apiKey, at, fetch }) =>
      new Groq({ apiKey, baseURL: at(""), fetch }).chat.completions.create({
        model: "m",
        messages: USER,
      }),
  ],
  [
    "mistral: chat",
    "mistral",
    async ({ apiKey, at, fetch }) => {
      const httpClient = new HTTPClient({ fetcher: (input, init) => fetch(input, init) });
      const mistral = new Mistral({ apiKey, serverURL: at(""), httpClient });
      await mistral.chat.complete({ model: "m", messages: USER }).catch(refusedByItsOwnSchema);
    },
  ],
  [
    "cohere: chat and embed",
    "cohere",
    async ({ apiKey, at, fetch }) => {
      const cohere = new CohereClientV2({ token: apiKey, environment: at(""), fetch });
      await cohere.chat({ model: "m", messages: USER });
      await cohere.embed({
        model: "m",
        texts: ["a"],
        inputType: "search_query",
        embeddingTypes: ["float"],
      });
    },
  ],
  [
    "ollama: chat",
    "ollama",
    ({ apiKey, at, fetch }) =>
      new Ollama({ host: at(""), fetch, headers: { authorization: `Bearer ${apiKey}` } }).chat({
        model: "m",
        messages: USER,
      }),
  ],
  [
    "LangChain: chat, stream, embeddings",
    "openai",
    async ({ apiKey, at, fetch }) => {
      const configuration = { baseURL: at("/v1"), fetch };
      const model = new ChatOpenAI({ apiKey, model: "m", configuration });
      await model.invoke("hi");
      await drain(await model.stream("hi"));
      await new OpenAIEmbeddings({ apiKey, model: "m", configuration }).embedQuery("hi");
    },
  ],
  [
    "@ai-sdk/openai",
    "openai",
    async ({ apiKey, at, fetch }) => {
      const provider = createOpenAI({ apiKey, baseURL: at("/v1"), fetch });
      await both(provider("m"));
      await both(provider.chat("m"));
      await embed({ model: provider.embeddingModel("m"), value: "hi" });
      await generateSpeech({ model: provider.speech("tts-1"), text: "hi" });
      await transcribe({ model: provider.transcription("whisper-1"), audio: AUDIO });
    },
  ],
  [
    "@ai-sdk/anthropic",
    "anthropic",
    async ({ apiKey, at, fetch }) =>
      both(createAnthropic({ apiKey, baseURL: at("/v1"), fetch })("m")),
  ],
  [
    "@ai-sdk/google",
    "gemini",
    async ({ apiKey, at, fetch }) =>
      both(createGoogle({ apiKey, baseURL: at("/v1beta"), fetch })("m")),
  ],
  [
    "@ai-sdk/groq",
    "groq",
    async ({ apiKey, at, fetch }) =>
      both(createGroq({ apiKey, baseURL: at("/openai/v1"), fetch })("m")),
  ],
  [
    "@ai-sdk/mistral",
    "mistral",
    async ({ apiKey, at, fetch }) =>
      generateText({
        model: createMistral({ apiKey, baseURL: at("/v1"), fetch })("m"),
        prompt: "hi",
      }),
  ],
  [
    "@ai-sdk/elevenlabs",
    "elevenlabs",
    async ({ apiKey, fetch, at }) => {
      // It takes no base URL: its own fetch is sent to this server, as user.fetch is by the configuration.
      const moved: typeof fetch = (input, init) =>
        fetch(String(input).replace("https://api.elevenlabs.io", at("")), init);
      const provider = createElevenLabs({ apiKey, fetch: apiKey === KEY ? moved : fetch });
      await generateSpeech({ model: provider.speech("eleven_v3"), text: "hi", voice: "v" });
      await transcribe({ model: provider.transcription("scribe_v1"), audio: AUDIO });
    },
  ],
];

/** The server's answers are short; a strict SDK may dislike them after it has sent what matters here. */
function refusedByItsOwnSchema(error: Error): void {
  assert.match(error.name, /Validation|SDKError/);
}

/** Connection, compression, and what the runtime's fetch adds to everything. */
const OF_THE_CLIENT = [
  // Cookies are credentials, and stay here; one SDK sends an empty one.
  "cookie",
  "host",
  "connection",
  "accept-encoding",
  "accept-language",
  "sec-fetch-mode",
];

/** A request in a form that can be compared: headers by name, random texts by their place. */
function comparable({ method, path, headers, body }: Asked) {
  const found = new Map<string, string[]>();
  for (const [name, value] of headers) {
    if (OF_THE_CLIENT.includes(name)) continue;
    // The runtimes' own names stand where an SDK gives none.
    if (name === "user-agent" && /^(node|undici|byok-ai\/[\d.]+)$/.test(value)) continue;
    found.set(name, [...(found.get(name) ?? []), value]);
  }
  let text = body.toString("latin1");
  const boundary = /boundary=([^;]+)/.exec(found.get("content-type")?.[0] ?? "")?.[1];
  if (boundary !== undefined) {
    text = text
      .replaceAll(boundary, "boundary")
      .replaceAll(/^content-[a-z]+/gim, (name) => name.toLowerCase());
    found.set("content-type", ["multipart/form-data"]);
    const length = Number(found.get("content-length"));
    if (found.has("content-length")) found.set("content-length", [String(length === body.length)]);
  }
  if (found.has("idempotency-key")) found.set("idempotency-key", ["random"]);
  return { method, path, headers: Object.fromEntries([...found].sort()), text };
}

for (const [name, provider, run] of CALLS) {
  test(`${name}: the same on the wire`, async () => {
    const at = (path: string) => server.origin + path;
    server.asked.length = 0;
    await run({ apiKey: KEY, at, fetch: globalThis.fetch });
    const expected = server.asked.map(comparable);
    assert.ok(expected.length > 0);
    assert.ok(JSON.stringify(expected).includes(KEY), "the SDK sends the real key by itself");

    server.asked.length = 0;
    await run({ apiKey: "byok", at, fetch: byok.use("u").fetch(provider) });
    assert.deepEqual(server.asked.map(comparable), expected);
  });
}
