// What providers answer, a fixture for each protocol: made up, in the shape that their documentation and
// recorded traffic have. A provider that speaks OpenAI's protocol needs no line here.

import type { CapabilityFixture, ProviderConformanceOptions } from "../../dist/testing/index.js";

type Fixtures = ProviderConformanceOptions["capabilities"];

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const MP3 = Buffer.concat([Buffer.from("ID3\x04\0\0\0\0\0\0", "latin1"), Buffer.alloc(4000, 0x55)]);
const vector = [0.5, -0.25, 0.125];

/** Server-sent events without names, and what ends them. */
const events = (data: readonly unknown[], end = ""): string =>
  data.map((item) => `data: ${JSON.stringify(item)}\n\n`).join("") + end;
/** Server-sent events that are named by their `type`. */
const named = (data: readonly Record<string, unknown>[]): string =>
  data.map((item) => `event: ${item.type}\ndata: ${JSON.stringify(item)}\n\n`).join("");

const completion = {
  id: "c1",
  object: "chat.completion",
  model: "m",
  created: 1,
  choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
};
const chunk = (delta: object, finish_reason: string | null = null) => ({
  id: "c1",
  object: "chat.completion.chunk",
  model: "m",
  choices: [{ index: 0, delta, finish_reason }],
});

const chatCompletions: CapabilityFixture = {
  answer: { body: completion },
  stream: {
    body: events(
      [
        chunk({ role: "assistant", content: "Hel" }),
        chunk({ content: "lo." }),
        { ...chunk({}, "stop"), usage: completion.usage },
      ],
      "data: [DONE]\n\n",
    ),
  },
};

const compatible: Fixtures = {
  chat: chatCompletions,
  embeddings: {
    answer: ({ body }) => {
      const encoding = JSON.parse(body.toString() || "{}").encoding_format;
      const bytes = encoding === "base64_int8" ? [64, 224, 16] : Float32Array.from(vector).buffer;
      const base64 = Buffer.from(bytes as ArrayBuffer).toString("base64");
      const embedding = encoding?.startsWith("base64") ? base64 : vector;
      const data = [{ object: "embedding", index: 0, embedding }];
      return {
        body: { object: "list", data, model: "m", usage: { prompt_tokens: 2, total_tokens: 2 } },
      };
    },
    usage: true,
  },
  textToSpeech: { answer: { body: MP3, contentType: "audio/mpeg" } },
  speechToText: { answer: { body: { text: "Hello.", language: "en", duration: 0.5 } } },
  imageGeneration: {
    answer: { body: { created: 1, data: [{ b64_json: PNG.toString("base64") }] } },
  },
};

const response = {
  id: "r1",
  object: "response",
  status: "completed",
  model: "m",
  output: [
    {
      type: "message",
      id: "m1",
      role: "assistant",
      status: "completed",
      content: [{ type: "output_text", text: "Hello.", annotations: [] }],
    },
  ],
  usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
};
const responses: CapabilityFixture = {
  answer: { body: response },
  stream: {
    body: named([
      { type: "response.created", response: { ...response, status: "in_progress", output: [] } },
      {
        type: "response.output_item.added",
        output_index: 0,
        item: { type: "message", id: "m1", role: "assistant", content: [] },
      },
      ...["Hel", "lo."].map((delta) => ({
        type: "response.output_text.delta",
        item_id: "m1",
        output_index: 0,
        content_index: 0,
        delta,
      })),
      { type: "response.output_item.done", output_index: 0, item: response.output[0] },
      { type: "response.completed", response },
    ]),
  },
};

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "m",
  content: [{ type: "text", text: "Hello." }],
  stop_reason: "end_turn",
  usage: { input_tokens: 3, output_tokens: 2 },
};
const anthropic: Fixtures = {
  chat: {
    answer: { body: message },
    stream: {
      body: named([
        { type: "message_start", message: { ...message, content: [], stop_reason: null } },
        { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
        { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } },
        { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "lo." } },
        { type: "content_block_stop", index: 0 },
        { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
        { type: "message_stop" },
      ]),
    },
  },
};

const candidates = (parts: object[], finishReason?: string) => ({
  candidates: [
    { content: { role: "model", parts }, index: 0, ...(finishReason && { finishReason }) },
  ],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
  modelVersion: "m",
  responseId: "g1",
});
const inline = (mimeType: string, data: Buffer) => ({
  inlineData: { mimeType, data: data.toString("base64") },
});
const pcm = inline("audio/L16;codec=pcm;rate=24000", Buffer.alloc(4800, 1));
const gemini: Fixtures = {
  chat: {
    answer: { body: candidates([{ text: "Hello." }], "STOP") },
    stream: {
      body: events([candidates([{ text: "Hel" }]), candidates([{ text: "lo." }], "STOP")]),
    },
  },
  embeddings: { answer: { body: { embeddings: [{ values: vector }] } } },
  textToSpeech: {
    answer: { body: candidates([pcm], "STOP") },
    stream: { body: events([candidates([pcm]), candidates([pcm], "STOP")]) },
    usage: true,
  },
  speechToText: {
    answer: ({ body }) => {
      const segments = [{ text: "Hello.", start: "00:00", end: "00:01", speaker: "A" }];
      const asked = body.includes("responseJsonSchema") || body.includes("responseSchema");
      const text = asked ? JSON.stringify({ language: "en", segments }) : "Hello.";
      return { body: candidates([{ text }], "STOP") };
    },
    usage: true,
  },
  imageGeneration: {
    answer: { body: candidates([inline("image/png", PNG)], "STOP") },
    usage: true,
  },
};

const cohereMeta = { tokens: { input_tokens: 3, output_tokens: 2 } };
const cohere: Fixtures = {
  chat: {
    answer: {
      body: {
        id: "c1",
        finish_reason: "COMPLETE",
        message: { role: "assistant", content: [{ type: "text", text: "Hello." }] },
        usage: cohereMeta,
      },
    },
    stream: {
      body: named([
        { type: "message-start", id: "c1", delta: { message: { role: "assistant" } } },
        {
          type: "content-start",
          index: 0,
          delta: { message: { content: { type: "text", text: "" } } },
        },
        { type: "content-delta", index: 0, delta: { message: { content: { text: "Hel" } } } },
        { type: "content-delta", index: 0, delta: { message: { content: { text: "lo." } } } },
        { type: "content-end", index: 0 },
        { type: "message-end", delta: { finish_reason: "COMPLETE", usage: cohereMeta } },
      ]),
    },
  },
  embeddings: {
    answer: {
      body: {
        id: "e1",
        embeddings: { float: [vector] },
        texts: ["one text"],
        meta: { billed_units: { input_tokens: 2 } },
      },
    },
    usage: true,
  },
};

const deepgram: Fixtures = {
  textToSpeech: { answer: { body: MP3, contentType: "audio/mpeg" } },
  speechToText: {
    answer: {
      body: {
        metadata: { request_id: "d1", duration: 0.5, models: [] },
        results: {
          channels: [{ alternatives: [{ transcript: "Hello.", confidence: 1, words: [] }] }],
        },
      },
    },
  },
};

const elevenlabs: Fixtures = {
  textToSpeech: { answer: { body: MP3, contentType: "audio/mpeg" } },
  speechToText: {
    answer: {
      body: { language_code: "en", language_probability: 1, text: "Hello.", words: [] },
    },
  },
};

const PROTOCOLS: Record<string, Fixtures> = {
  openai: { ...compatible, chat: responses },
  fireworks: {
    ...compatible,
    imageGeneration: { answer: { body: PNG, contentType: "image/png" } },
  },
  mistral: {
    ...compatible,
    textToSpeech: {
      answer: { body: { audio_data: MP3.toString("base64") } },
      stream: {
        body: named([
          { type: "speech.audio.delta", audio_data: MP3.toString("base64") },
          { type: "speech.audio.done", usage: { prompt_tokens: 2, total_tokens: 2 } },
        ]),
      },
    },
  },
  xai: {
    ...compatible,
    textToSpeech: { answer: { body: MP3, contentType: "audio/mpeg" }, takesModel: false },
    speechToText: { answer: { body: { text: "Hello.", duration: 0.5 } }, takesModel: false },
  },
  anthropic,
  gemini,
  cohere,
  deepgram,
  elevenlabs,
};

/** The fixtures of a provider: of its own protocol, else of OpenAI's. */
export function fixturesOf(provider: string): Fixtures {
  return PROTOCOLS[provider] ?? compatible;
}
