// What goes over the wire for embeddings, speech, transcripts and images: the fixtures of every provider
// through the real addon, against the providers' API descriptions and the official SDKs' types.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { ValidateFunction } from "ajv/dist/2020.js";
import { BYOK, BYOKError } from "../dist/index.js";
import { type CapabilityCase, loadCases } from "./support/capability-cases.js";
import {
  type Asked,
  AUDIO,
  type CapabilityServer,
  startCapabilityServer,
} from "./support/capability-server.js";
import type { Json } from "./support/recordings.js";
import { type Body, FILE, type Module, typeErrorsOf } from "./support/sdk-types.js";
import { haveSpecs, type SpecOptions, validator } from "./support/specs.js";

const KEY = "canary-key-0123456789abcdefghijk";
const ABSENT = "the API descriptions are not beside the repository (../shared/specs)";
const WAV = Buffer.from("52494646240000005741564566d7420", "hex");
const CASES = loadCases();
const PROVIDERS = [...new Set(CASES.map(({ provider }) => provider))];

/** Bodies that were sent, by provider and path; forms as objects. */
const bodies = new Map<string, Body[]>();
let server: CapabilityServer;
let byok: BYOK;

before(async () => {
  server = await startCapabilityServer();
  const providers: Record<string, object> = {};
  for (const provider of PROVIDERS) {
    providers[provider] = {
      ...(provider === "own" ? { type: "openai-compatible" } : {}),
      baseURL: `${server.origin}/base`,
      allowPrivateNetwork: true,
      maxRetries: 0,
    };
  }
  byok = new BYOK({ masterKey: randomBytes(32), providers });
});
after(async () => {
  server.stop();
  await byok.close();
});

/** Runs one case with a key of its own; the warnings of its result. */
async function send(one: CapabilityCase): Promise<string[]> {
  const { provider, fields } = one;
  const apiKey = fields ? { apiKey: KEY, ...fields } : KEY;
  await byok.registerKey({ userId: "u", provider, apiKey, validate: false });
  const user = byok.use("u");
  const routing = { provider, ...(one.model === undefined ? {} : { model: one.model }) };
  const request = { ...one.request, ...routing };
  switch (one.capability) {
    case "chat": {
      const result = one.stream ? await user.chatStream(request).result : await user.chat(request);
      assert.match(result.text, /Hello/);
      return options(result);
    }
    case "embeddings": {
      const result = await user.embed(request);
      const first = result.embeddings[0];
      assert.ok(first instanceof Float32Array && first.length >= 2);
      assert.equal(result.embeddings.length, [one.request.input].flat().length);
      return options(result);
    }
    case "textToSpeech": {
      if (!one.stream) {
        const result = await user.textToSpeech(request);
        assert.ok(endsWithAudio(result.audio));
        return options(result);
      }
      const stream = user.textToSpeechStream(request);
      const pieces: Buffer[] = [];
      for await (const piece of stream) pieces.push(piece);
      assert.ok(endsWithAudio(Buffer.concat(pieces)));
      return options(await stream.info);
    }
    case "speechToText": {
      const audio = { audio: WAV, filename: "audio.wav", mediaType: "audio/wav" };
      const result = await user.speechToText({ ...audio, ...request });
      assert.equal(result.text.includes("Hello"), true);
      return options(result);
    }
    case "imageGeneration": {
      const result = await user.generateImage(request);
      assert.ok(result.images.length >= 1);
      assert.equal(result.images[0]?.contentType, "image/png");
      return options(result);
    }
  }
}

/** The head of a WAV file may stand before it. */
const endsWithAudio = (audio: Buffer) =>
  audio.subarray(-AUDIO.length).equals(AUDIO) && [0, 44].includes(audio.length - AUDIO.length);

const options = ({ warnings }: { warnings: { option: string }[] }) =>
  warnings.map(({ option }) => option);

/** The headers of those whose key is no bearer token. */
const CREDENTIALS: Record<string, Record<string, string>> = {
  "azure-openai": { "api-key": KEY },
  gemini: { "x-goog-api-key": KEY },
  elevenlabs: { "xi-api-key": KEY },
  deepgram: { authorization: `Token ${KEY}` },
};

function checkCredential({ provider, fields }: CapabilityCase, { path, headers }: Asked) {
  const expected = CREDENTIALS[provider] ?? { authorization: `Bearer ${KEY}` };
  const names = ["authorization", "api-key", "x-api-key", "x-goog-api-key", "xi-api-key"];
  const sent = names.flatMap((name) => (headers[name] ? [[name, headers[name]]] : []));
  assert.deepEqual(Object.fromEntries(sent), expected, JSON.stringify(fields));
  assert.ok(!path.includes(KEY));
}

/** A form as the object that SDKs and descriptions know: arrays together, numbers as such. */
function objectOf(form: NonNullable<Asked["form"]>): Body["body"] {
  const body: { [name: string]: Json } = {};
  const lists = new Set(["timestamp_granularities", "context_bias", "keyterm", "keyterms"]);
  for (const [name, value] of form) {
    const field = name.replace("[]", "");
    const read = typeof value === "string" ? readText(field, value) : FILE;
    if (name.endsWith("[]") || lists.has(field)) body[field] = [...(body[field] ?? []), read];
    else body[field] = read;
  }
  return body;
}

function readText(field: string, text: string): Json {
  if (["temperature", "n", "num_speakers"].includes(field)) return Number(text);
  if (text === "true" || text === "false" || text.startsWith("{")) return JSON.parse(text);
  return text;
}

/** Where a provider describes its requests: the schema by the end of the path. */
type Paths<T> = Record<string, T>;
const OPENAI_SCHEMAS: Paths<string> = {
  "/embeddings": "CreateEmbeddingRequest",
  "/audio/speech": "CreateSpeechRequest",
  "/audio/transcriptions": "CreateTranscriptionRequest",
  "/images/generations": "CreateImageRequest",
  "/images/edits": "CreateImageEditRequest",
  "/images/edits as JSON": "EditImageBodyJsonParam",
};
const DESCRIBED: Record<string, [file: string, schemas: Paths<string>, options?: SpecOptions]> = {
  openai: ["openai.json.gz", OPENAI_SCHEMAS],
  "azure-openai": ["openai.json.gz", OPENAI_SCHEMAS],
  own: ["openai.json.gz", OPENAI_SCHEMAS],
  groq: [
    "groq.yaml.gz",
    {
      "/audio/speech": "CreateSpeechRequest",
      "/audio/transcriptions": "CreateTranscriptionRequest",
    },
  ],
  mistral: [
    "mistral.yaml.gz",
    {
      "/embeddings": "EmbeddingRequest",
      "/audio/speech": "SpeechRequest",
      "/audio/transcriptions": "AudioTranscriptionRequest",
    },
  ],
  gemini: [
    "gemini.json.gz",
    {
      "/models/{model}:batchEmbedContents": "BatchEmbedContentsRequest",
      "/models/{model}:generateContent": "GenerateContentRequest",
      "/models/{model}:streamGenerateContent": "GenerateContentRequest",
    },
    { closed: true },
  ],
  elevenlabs: [
    "elevenlabs.json.gz",
    {
      "/v1/text-to-speech/{voice}": "Body_text_to_speech_full",
      "/v1/text-to-speech/{voice}/stream": "Body_text_to_speech_stream",
      "/v1/speech-to-text": "Body_Speech_to_Text_v1_speech_to_text_post",
    },
    { closed: true },
  ],
};
/** Models with fields that came after the description was taken. */
const NEWER = /^gemini-3\.8-/;

const OPENAI = 'import type OpenAI from "openai";';
const GROQ = 'import type Groq from "groq-sdk";';
const MISTRAL = `import type {
  AudioTranscriptionRequest$Outbound,
  EmbeddingRequest$Outbound,
  SpeechRequest$Outbound,
} from "@mistralai/mistralai/models/components";`;
/** The SDK's own request types. Mistral's are those of its wire, with its defaults filled in. */
const TYPED: Record<string, Paths<Module>> = {
  openai: {
    "/embeddings": { head: OPENAI, type: "OpenAI.EmbeddingCreateParams" },
    "/audio/speech": { head: OPENAI, type: "OpenAI.Audio.SpeechCreateParams" },
    "/audio/transcriptions": { head: OPENAI, type: "OpenAI.Audio.TranscriptionCreateParams" },
    "/images/generations": { head: OPENAI, type: "OpenAI.ImageGenerateParams" },
    "/images/edits": { head: OPENAI, type: "OpenAI.ImageEditParams" },
  },
  groq: {
    "/audio/speech": { head: GROQ, type: "Groq.Audio.SpeechCreateParams" },
    "/audio/transcriptions": { head: GROQ, type: "Groq.Audio.TranscriptionCreateParams" },
  },
  mistral: {
    "/embeddings": { head: MISTRAL, type: "EmbeddingRequest$Outbound" },
    "/audio/speech": { head: MISTRAL, type: "Partial<SpeechRequest$Outbound>" },
    "/audio/transcriptions": {
      head: MISTRAL,
      type: "Partial<AudioTranscriptionRequest$Outbound>",
    },
  },
};

/** The path below the base as the tables above have it. */
function endOf({ path, json }: Asked): string {
  const end = path
    .replace("/base", "")
    .replace(/\?.*/, "")
    .replace(/^\/deployments\/[^/]+/, "")
    .replace(/^\/models\/[^:]+:/, "/models/{model}:")
    .replace(/^\/v1\/text-to-speech\/[^/]+/, "/v1/text-to-speech/{voice}");
  return end === "/images/edits" && json ? `${end} as JSON` : end;
}

const validators = new Map<string, ValidateFunction>();
function validatorFor(provider: string, end: string): ValidateFunction | undefined {
  const [file, schemas, specOptions] = DESCRIBED[provider] ?? [];
  const schema = schemas?.[end];
  if (!haveSpecs || !file || !schema) return undefined;
  const name = `${file} ${schema}`;
  const known = validators.get(name) ?? validator(file, schema, specOptions);
  validators.set(name, known);
  return known;
}

for (const provider of PROVIDERS) {
  describe(`what ${provider} is sent`, () => {
    if (DESCRIBED[provider] && !haveSpecs) console.log(`Not validated: ${ABSENT}.`);
    for (const one of CASES.filter((known) => known.provider === provider)) {
      test(`${one.capability}: ${one.name}`, async () => {
        server.take();
        if (!one.sent) {
          await assert.rejects(
            send(one),
            (error) =>
              error instanceof BYOKError &&
              error.code === "INVALID_ARGUMENT" &&
              error.message.includes(one.refused ?? ""),
          );
          assert.deepEqual(server.take(), []);
          return;
        }
        const warnings = await send(one);
        assert.deepEqual(warnings, one.sent.warnings ?? []);
        // Several images are several requests where one makes one.
        const [asked, ...more] = server.take();
        assert.ok(asked);
        assert.equal(more.length, 0, "one call is one request");
        assert.equal(asked.method, "POST");
        assert.equal(asked.path, `/base${one.sent.path}`);
        checkCredential(one, asked);
        for (const [name, value] of Object.entries(one.sent.headers ?? {}))
          assert.equal(asked.headers[name], value);
        assert.deepEqual(asked.json, withAudio(one.sent.json));
        assert.deepEqual(asked.body, one.sent.body === undefined ? undefined : WAV);
        const form = one.sent.form?.map(([name, value]) => [name, expectedFile(value)]);
        assert.deepEqual(asked.form, form);

        const body = asked.json ?? objectOf(asked.form ?? []);
        const end = endOf(asked);
        const group = `${provider} ${end}`;
        bodies.set(group, [...(bodies.get(group) ?? []), { name: one.name, body }]);
        const validate = validatorFor(provider, end);
        if (validate && !NEWER.test(one.model ?? "")) {
          validate(body);
          assert.deepEqual(validate.errors ?? [], [], JSON.stringify(body));
        }
      });
    }
  });
}

/** The audio in base64 where `the audio` stands for it. */
function withAudio(json: Json): Json {
  if (json === undefined) return undefined;
  return JSON.parse(JSON.stringify(json).replace('"the audio"', `"${WAV.toString("base64")}"`));
}

function expectedFile(value: Json): Json {
  if (typeof value === "string") return value;
  const isAudio = value.content === "the audio";
  return { ...value, content: isAudio ? WAV : Buffer.from(value.content, "base64") };
}

describe("the API descriptions", { skip: haveSpecs ? false : ABSENT }, () => {
  for (const [provider, [, schemas]] of Object.entries(DESCRIBED)) {
    test(`have validated every kind of request of ${provider}, and refuse spoilt ones`, () => {
      for (const end of Object.keys(schemas)) {
        if (provider !== "openai" && end.endsWith("as JSON")) continue;
        const [first] = bodies.get(`${provider} ${end}`) ?? [];
        const validate = validatorFor(provider, end);
        assert.ok(first && validate, `${provider} ${end}`);
        const spoilt = {
          model: {},
          prompt: 7,
          input: 7,
          text: 7,
          model_id: 7,
          requests: 7,
          contents: 7,
        };
        assert.ok(!validate({ ...first.body, ...spoilt }), end);
      }
    });
  }
});

describe("the official SDKs' types", () => {
  for (const [provider, paths] of Object.entries(TYPED)) {
    for (const [end, module] of Object.entries(paths)) {
      const folder = `${provider}${end.replaceAll("/", "-")}`;
      test(`bodies for ${provider} ${end} are of the SDK's request type`, () => {
        const all = bodies.get(`${provider} ${end}`) ?? [];
        assert.ok(all.length > 0);
        assert.equal(typeErrorsOf(module, all, folder), "");
        const spoilt = { name: "spoilt", body: { ...all[0]?.body, model: 7, input: 7 } };
        assert.match(typeErrorsOf(module, [spoilt], `${folder}-spoilt`), /error TS/);
      });
    }
  }
});
