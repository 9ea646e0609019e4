// byok-ai/sdk/ai under the AI SDK itself (`ai`): chats against the practice provider, which refuses reasoning and
// calls that come back without their signatures; the other capabilities against a stand-in of the user, which
// keeps what it is asked.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  createProviderRegistry,
  embedMany,
  generateImage,
  generateSpeech,
  generateText,
  jsonSchema,
  Output,
  stepCountIs,
  streamText,
  tool,
  transcribe,
} from "ai";
import type { BYOK } from "../dist/index.js";
import { laidOut, layoutOf } from "../dist/sdk/ai/layout.js";
import { byokProvider } from "../dist/sdk/ai.js";
import type { User } from "../dist/user.js";
import { failsWith, keyOf, libraryAt, PROVIDERS } from "./support/library.js";
import { type Practice, stalledAt, startPractice, until } from "./support/practice.js";

const PARIS = "Paris. (This is the byok-ai practice provider, not a model.)";
const FRANCE = "What is the capital of France?";
const stops: (() => void)[] = [];
let practice: Practice;
let byok: BYOK;
let user: User;

before(async () => {
  practice = await startPractice((stop) => stops.push(stop));
  byok = libraryAt(practice);
  user = await withKeys(byok);
});
after(async () => {
  await byok.close();
  for (const stop of stops) stop();
});

async function withKeys(library: BYOK): Promise<User> {
  for (const provider of PROVIDERS) {
    const apiKey = keyOf(practice, provider);
    await library.registerKey({ userId: "u", provider, apiKey, validate: false });
  }
  return library.use("u");
}

const schema = jsonSchema<{ city: string }>({
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
});
const weather = tool({
  description: "The current weather",
  inputSchema: schema,
  execute: async ({ city }) => ({ city, sky: "clear" }),
});

for (const provider of PROVIDERS) {
  test(`${provider}: generateText gives text, usage and who served`, async () => {
    const model = byokProvider(user)(`${provider}:m`);
    const result = await generateText({ model, prompt: FRANCE, maxOutputTokens: 100 });
    assert.equal(result.text, PARIS);
    assert.equal(result.finishReason, "stop");
    assert.equal(result.usage.outputTokens, 10);
    assert.equal(result.usage.totalTokens, (result.usage.inputTokens ?? 0) + 10);
    assert.equal(result.providerMetadata?.["byok"]?.["provider"], provider);
    assert.equal(result.response.modelId, "m");
    assert.deepEqual(result.warnings, []);
  });

  for (const name of ["generateText", "streamText"] as const) {
    test(`${provider}: ${name} goes on after a tool's result, reasoning and signatures unchanged`, async () => {
      const call = {
        model: byokProvider(user)(`${provider}:m`),
        prompt: "What is the weather?",
        tools: { weather },
        reasoning: "high" as const,
        stopWhen: stepCountIs(3),
      };
      const result = name === "generateText" ? await generateText(call) : streamText(call);
      const steps = await result.steps;
      assert.equal(steps.length, 2);
      assert.equal(steps[0]?.toolCalls[0]?.toolName, "weather");
      assert.equal(steps[0]?.finishReason, "tool-calls");
      assert.match((await result.text) ?? "", /clear/);
      assert.match(steps[0]?.reasoningText ?? "", /./);

      // A third turn sends all of it back once more.
      const { messages } = await result.response;
      const before = [{ role: "user" as const, content: call.prompt }, ...messages];
      const next = [...before, { role: "user" as const, content: FRANCE }];
      const { prompt: _, ...rest } = call;
      assert.equal((await generateText({ ...rest, messages: next, tools: {} })).text, PARIS);
    });
  }

  test(`${provider}: Output.object gives an object that satisfies the schema`, async () => {
    const model = byokProvider(user)(`${provider}:m`);
    const { output } = await generateText({
      model,
      prompt: "x",
      output: Output.object({ schema }),
    });
    assert.equal(typeof output.city, "string");
  });

  test(`${provider}: a stream's parts are whole blocks in order`, async () => {
    const model = byokProvider(user)(`${provider}:m`);
    const { stream } = await model.doStream({
      prompt: [{ role: "user", content: [{ type: "text", text: "the weather, with a tool" }] }],
      tools: [
        {
          type: "function",
          name: "weather",
          inputSchema: { type: "object", properties: { city: { type: "string" } } },
        },
      ],
      reasoning: "low",
    });
    const types: string[] = [];
    for await (const part of stream) if (types.at(-1) !== part.type) types.push(part.type);
    const block = (kind: string) => [`${kind}-start`, `${kind}-delta`, `${kind}-end`];
    assert.deepEqual(types, [
      "stream-start",
      ...block("reasoning"),
      ...block("tool-input"),
      "response-metadata",
      "tool-call",
      "finish",
    ]);
  });
}

test("images and files reach the provider", async () => {
  const png = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
  );
  for (const provider of PROVIDERS) {
    const { text } = await generateText({
      model: byokProvider(user)(`${provider}:m`),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: FRANCE },
            { type: "file", mediaType: "image/png", data: png },
            {
              type: "file",
              mediaType: "application/pdf",
              data: Buffer.from("%PDF-1.4\n"),
              filename: "a.pdf",
            },
          ],
        },
      ],
    });
    assert.equal(text, PARIS);
  }
});

test("a model's id names the provider, or the user's defaults do", async () => {
  const served = async (model: Parameters<typeof generateText>[0]["model"]) => {
    const { providerMetadata, response } = await generateText({ model, prompt: FRANCE });
    return [providerMetadata?.["byok"]?.["provider"], response.modelId];
  };
  const models = byokProvider(user);
  assert.deepEqual(await served(models("anthropic:m:1")), ["anthropic", "m:1"]);
  assert.deepEqual(await served(models.languageModel("gemini:m")), ["gemini", "m"]);
  const openai = byokProvider(byok.use("u", { provider: "openai" }));
  assert.deepEqual(await served(openai("m")), ["openai", "m"]);
  assert.equal((await served(openai()))[0], "openai");
  const literal = byokProvider(user, { provider: "openai" });
  assert.deepEqual(await served(literal("llama3:8b")), ["openai", "llama3:8b"]);
  const registry = createProviderRegistry({ byok: models });
  assert.deepEqual(await served(registry.languageModel("byok:openai:m")), ["openai", "m"]);
  assert.equal(models("anthropic:m").provider, "byok.anthropic");
});

test("errors are BYOKErrors, and what can't be asked for is a warning", async () => {
  const stranger = byokProvider(byok.use("nobody"))("openai:m");
  await assert.rejects(generateText({ model: stranger, prompt: "x" }), failsWith("KEY_NOT_FOUND"));
  const model = byokProvider(user)("openai:no-such-model");
  await assert.rejects(generateText({ model, prompt: "x" }), failsWith("MODEL_NOT_FOUND"));
  const errors: unknown[] = [];
  const stream = streamText({
    model,
    prompt: "x",
    onError: ({ error }) => void errors.push(error),
  });
  await stream.consumeStream();
  failsWith("MODEL_NOT_FOUND")(errors[0]);

  const fine = byokProvider(user)("openai:m");
  const { warnings } = await generateText({ model: fine, prompt: FRANCE, topK: 3 });
  assert.deepEqual(
    warnings?.map((warning) => "feature" in warning && warning.feature),
    ["topK"],
  );
  const extra = generateText({
    model: fine,
    prompt: "x",
    providerOptions: { byok: { nonsense: 1 } },
  });
  await assert.rejects(extra, failsWith("PROVIDER_ERROR", /nonsense/));
  await generateText({ model: fine, prompt: "x", providerOptions: { openai: { nonsense: 1 } } });
  assert.throws(() => byokProvider({} as User), failsWith("INVALID_ARGUMENT"));
  const misspelt = () => byokProvider(user, { provder: "openai" } as never);
  assert.throws(misspelt, failsWith("INVALID_ARGUMENT", /provider/));
});

test("an abort and leaving the stream end the request", async () => {
  const stalling = libraryAt(practice, {}, "/fault/stall");
  const model = byokProvider(await withKeys(stalling))("openai:m");
  const controller = new AbortController();
  const call = generateText({ model, prompt: "x", abortSignal: controller.signal });
  await until(async () => (await stalledAt(practice)).find(({ peerClosed }) => !peerClosed));
  controller.abort();
  await assert.rejects(call, { name: "AbortError" });
  await stalling.close();

  const half = libraryAt(practice, {}, "/fault/stall-mid");
  const { stream } = await byokProvider(await withKeys(half))("openai:m").doStream({
    prompt: [{ role: "user", content: [{ type: "text", text: "one two three four five six" }] }],
  });
  const reader = stream.getReader();
  await reader.read();
  const count = (await stalledAt(practice)).filter(({ peerClosed }) => peerClosed).length;
  await reader.cancel();
  await until(async () => {
    const closed = (await stalledAt(practice)).filter(({ peerClosed }) => peerClosed).length;
    return closed > count ? true : undefined;
  });
  await half.close();
});

/** A user that answers as it is told and keeps what it is asked. */
function standIn(method: string, answer: object) {
  const asked: Record<string, unknown>[] = [];
  const meta = { provider: "openai", label: "default", model: "m-1", warnings: [] };
  const stand = {
    chat() {},
    async [method](request: Record<string, unknown>) {
      asked.push(request);
      return { ...meta, ...answer };
    },
  };
  return { models: byokProvider(stand as unknown as User), asked };
}

test("embedMany asks once for all values", async () => {
  const embeddings = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
  const { models, asked } = standIn("embed", { embeddings, usage: { inputTokens: 5 } });
  const result = await embedMany({ model: models.embeddingModel("openai:m"), values: ["a", "b"] });
  assert.deepEqual(result.embeddings, [
    [1, 2],
    [3, 4],
  ]);
  assert.equal(result.usage.tokens, 5);
  const { input, provider, model } = asked[0] ?? {};
  assert.deepEqual([input, provider, model], [["a", "b"], "openai", "m"]);
});

test("generateImage passes sizes, edits and masks on", async () => {
  const data = Buffer.from("89504e470d0a1a0a", "hex");
  const images = [{ data, contentType: "image/png", revisedPrompt: "a cat" }];
  const { models, asked } = standIn("generateImage", { images, usage: { inputTokens: 3 } });
  const result = await generateImage({
    model: models.imageModel("openai:m"),
    prompt: { text: "a cat", images: [data], mask: data },
    n: 1,
    size: "1024x1024",
    seed: 7,
  });
  assert.deepEqual(Buffer.from(result.image.uint8Array), data);
  assert.equal(result.usage.inputTokens, 3);
  const { prompt, n, size, seed, images: edits, mask } = asked[0] ?? {};
  assert.deepEqual([prompt, n, size, seed], ["a cat", 1, "1024x1024", 7]);
  assert.deepEqual([(edits as unknown[]).length, Buffer.from(mask as Uint8Array)], [1, data]);
});

test("generateSpeech gives the audio", async () => {
  const audio = Buffer.from("ID3 some audio");
  const { models, asked } = standIn("textToSpeech", {
    audio,
    contentType: "audio/mpeg",
    usage: { characters: 5 },
  });
  const result = await generateSpeech({
    model: models.speechModel("openai:m"),
    text: "Hello",
    voice: "alloy",
    outputFormat: "mp3",
    language: "auto",
  });
  assert.deepEqual(Buffer.from(result.audio.uint8Array), audio);
  const { text, voice, format, language } = asked[0] ?? {};
  assert.deepEqual([text, voice, format, language], ["Hello", "alloy", "mp3", undefined]);
});

test("transcribe gives text, segments and times", async () => {
  const timed = { text: "hello", startSeconds: 0, endSeconds: 1.5 };
  const { models, asked } = standIn("speechToText", {
    text: "hello",
    language: "en",
    durationSeconds: 1.5,
    segments: [timed],
    words: [timed],
    usage: { audioSeconds: 1.5 },
  });
  const model = models.transcriptionModel("openai:m");
  const result = await transcribe({ model, audio: Buffer.from("ID3 audio") });
  assert.equal(result.text, "hello");
  assert.equal(result.durationInSeconds, 1.5);
  assert.deepEqual(result.segments, [{ text: "hello", startSecond: 0, endSecond: 1.5 }]);
  assert.deepEqual(Buffer.from(asked[0]?.["audio"] as Uint8Array), Buffer.from("ID3 audio"));
  assert.equal(typeof asked[0]?.["mediaType"], "string");
});

test("a layout puts parts back as the provider made them, unless the message was changed", () => {
  const signature = { provider: "anthropic", value: "s" };
  const content = [
    { type: "reasoning", text: "", signature: { ...signature, redacted: true } },
    { type: "reasoning", text: "think", signature },
    { type: "text", text: "a" },
    { type: "reasoning", text: "more", signature },
    { type: "text", text: "b" },
    { type: "tool-call", id: "1", name: "n", arguments: {}, signature },
  ] as const;
  const layout = layoutOf(content)?.["layout"];
  const joined = [
    { type: "reasoning", text: "thinkmore" },
    { type: "text", text: "ab" },
    { type: "tool-call", id: "1", name: "n", arguments: {} },
  ] as const;
  assert.deepEqual(laidOut(joined, layout), content);
  for (const changed of [
    [{ ...joined[0], text: "think" }, joined[1], joined[2]],
    [joined[0], { ...joined[1], text: "abc" }, joined[2]],
    [joined[0], joined[1]],
    [...joined, { ...joined[2], id: "2" }],
  ]) {
    assert.equal(laidOut(changed, layout), undefined);
  }
  assert.equal(laidOut(joined, undefined), undefined);
  assert.equal(layoutOf([{ type: "text", text: "unsigned" }]), undefined);
});
