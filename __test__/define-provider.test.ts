// Providers that an application defines: the conformance suite over all capabilities, what functions get
// to see and what becomes of their mistakes.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import {
  BYOK,
  type BYOKError,
  defineProvider,
  MemoryStore,
  type ProviderDefinition,
  type ProviderOptions,
} from "../dist/index.js";
import { registerProviderConformance } from "../dist/testing/index.js";
import { answer, type Behaviour, ProviderServer } from "../dist/testing/provider/server.js";
import { failsWith, MASTER } from "./support/library.js";

/** A protocol of its own in every capability. */
const DEFINITION: ProviderDefinition = {
  name: "Acme AI",
  baseURL: "https://api.acme.example/v1",
  credential: { header: "x-acme-key", prefix: "Key " },
  headers: { "x-acme-version": "7" },
  verify: { path: "/account" },
  requestIdHeader: "x-acme-request",
  keyPrefixes: ["acme-"],
  defaultModels: { chat: "large" },
  errors: { words: { no_credit: "QUOTA_EXCEEDED" }, statuses: { 418: "CONTENT_FILTERED" } },
  chat: {
    request: ({ messages, ...rest }, { model, stream }) => ({
      path: stream ? "/stream" : "/generate",
      body: { model, turns: messages as never, ...(rest as object) },
    }),
    response: (body) => ({
      id: body.id,
      reasoning: body.thought,
      text: body.said,
      toolCalls: body.calls,
      finishReason: body.why === "done" ? "stop" : "other",
      rawFinishReason: body.why,
      usage: { inputTokens: body.tokens[0], outputTokens: body.tokens[1] },
      error: body.error,
    }),
    event: ({ event, json }, state) => {
      state["words"] = (state["words"] ?? 0) + 1;
      if (event === "say") return { type: "text-delta", text: json.text };
      if (event === "call") return { type: "tool-call-delta", ...json };
      if (event === "end")
        return [
          { type: "info", id: `${json.id}-${state["words"]}` },
          { type: "usage", usage: { inputTokens: 3, outputTokens: 2 } },
          { type: "finish", finishReason: "stop", rawFinishReason: json.why },
        ];
      return undefined;
    },
  },
  embed: {
    batchLimit: { inputs: 2 },
    request: ({ input, ...rest }, { model }) => ({
      path: "/vectors",
      body: { model, input, ...rest },
    }),
    response: (body) => ({ embeddings: body.vectors, usage: { inputTokens: body.tokens } }),
  },
  textToSpeech: {
    contentType: "audio/mpeg",
    request: (request, { model }) => ({ path: "/speak", body: { model, ...request } }),
  },
  speechToText: {
    request: (request, { model }) => ({
      path: "/hear",
      form: [
        { name: "model", value: model },
        { name: "options", value: JSON.stringify(request) },
        { name: "file", audio: true },
      ],
    }),
    response: (body) => ({ text: body.heard, durationSeconds: body.seconds }),
  },
  generateImage: {
    request: (request, { model, n }) => ({
      path: "/draw",
      body: { model, n, ...(request as object) },
    }),
    response: (body) => ({ images: body.pictures }),
  },
};
const acme = defineProvider(DEFINITION);

const make = (settings: ProviderOptions, type = acme) =>
  new BYOK({
    masterKey: MASTER,
    store: new MemoryStore(),
    callbackTimeoutMs: 1000,
    providers: { acme: { type, ...settings } },
  });

const SAID = { id: "a1", said: "Hello.", why: "done", tokens: [3, 2] };
const STREAM =
  'event: say\ndata: {"text":"Hel"}\n\nevent: say\ndata: {"text":"lo."}\n\nevent: end\ndata: {"id":"a1","why":"done"}\n\n';
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

registerProviderConformance(test, {
  provider: "acme",
  create: make,
  credential: { header: "x-acme-key", prefix: "Key " },
  capabilities: {
    chat: { answer: { body: SAID }, stream: { body: STREAM } },
    embeddings: { answer: { body: { vectors: [[0.5, 0.25]], tokens: 2 } }, usage: true },
    textToSpeech: { answer: { body: Buffer.alloc(2000, 1), contentType: "audio/mpeg" } },
    speechToText: { answer: { body: { heard: "Hello.", seconds: 1 } } },
    imageGeneration: { answer: { body: { pictures: [{ base64: PNG }] } } },
  },
});

let server: ProviderServer;
before(async () => {
  server = await ProviderServer.start(answer({}));
});
after(() => server.close());

const KEY = "acme-0123456789abcdef0123456789abcdef";

/** A user of a provider that is `DEFINITION` with something else, at the server. */
async function userOf(
  change: Partial<ProviderDefinition> = {},
  behaviour: Behaviour = answer(SAID),
) {
  const settings = { baseURL: server.origin, allowPrivateNetwork: true, maxRetries: 0 };
  const byok = make(settings, defineProvider({ ...DEFINITION, ...change }));
  await byok.registerKey({ userId: "u", provider: "acme", apiKey: KEY, validate: "format" });
  server.behave(behaviour);
  server.take();
  return byok.use("u");
}
const chat = (change: Partial<NonNullable<ProviderDefinition["chat"]>>) => ({
  chat: { ...DEFINITION.chat, ...change } as NonNullable<ProviderDefinition["chat"]>,
});

test("a function that throws names itself and its provider, with the exception as the cause", async () => {
  const thrown = new TypeError("the function's own");
  const throws = () => {
    throw thrown;
  };
  const cases: [Partial<ProviderDefinition>, string, RegExp, "chat" | "stream"][] = [
    [chat({ request: throws }), "INVALID_ARGUMENT", /chat\.request of providers\.acme/, "chat"],
    [chat({ response: throws }), "BAD_RESPONSE", /chat\.response of providers\.acme/, "chat"],
    [chat({ event: throws }), "BAD_RESPONSE", /chat\.event/, "stream"],
  ];
  for (const [change, code, message, kind] of cases) {
    const user = await userOf(
      change,
      kind === "chat" ? answer(SAID) : answer(STREAM, "text/event-stream"),
    );
    const call = () =>
      kind === "chat" ? user.chat({ prompt: "x" }) : user.chatStream({ prompt: "x" }).result;
    await assert.rejects(call, (error) => {
      failsWith(code, message)(error);
      assert.equal((error as BYOKError).cause, thrown);
      assert.equal((error as BYOKError).provider, "acme");
      return true;
    });
  }
});

test("what a function returns is checked, and the message says where it is wrong", async () => {
  const returns = (value: unknown) => () => value as never;
  for (const [change, code, message] of [
    [chat({ request: returns(undefined) }), "INVALID_ARGUMENT", /chat\.request.*null/],
    [chat({ request: returns({ path: "x", body: {} }) }), "INVALID_ARGUMENT", /slash/],
    [
      chat({ request: returns({ path: "//evil.example/x", body: {} }) }),
      "INVALID_ARGUMENT",
      /slash/,
    ],
    [chat({ request: returns({ path: "/x" }) }), "INVALID_ARGUMENT", /body, form and rawAudio/],
    [
      chat({ request: returns({ path: "/x", body: {}, headers: { authorization: "mine" } }) }),
      "INVALID_ARGUMENT",
      /authorization can't be set/,
    ],
    [chat({ request: returns({ path: "/x", body: 1n }) }), "INVALID_ARGUMENT", /chat\.request/],
    [chat({ response: returns({ text: 7 }) }), "BAD_RESPONSE", /chat\.response.*at text/],
    [chat({ response: returns({ tekst: "" }) }), "BAD_RESPONSE", /tekst/],
    [chat({ response: returns({ finishReason: "over" }) }), "BAD_RESPONSE", /finishReason.*over/],
    [
      chat({ response: returns({ error: { code: "QUOTA_EXCEEDED", message: "no more" } }) }),
      "QUOTA_EXCEEDED",
      /no more/,
    ],
  ] as [Partial<ProviderDefinition>, string, RegExp][]) {
    const user = await userOf(change);
    await assert.rejects(() => user.chat({ prompt: "x" }), failsWith(code, message));
  }
});

test("a function whose promise never settles meets the deadline", async () => {
  const user = await userOf(chat({ request: (() => new Promise(() => {})) as never }));
  await assert.rejects(
    () => user.chat({ prompt: "x" }),
    failsWith("TIMEOUT", /acme\.chat\.request did not answer within 1000 ms/),
  );
});

test("no function ever sees the key, not even where the provider repeats it", async () => {
  const seen: unknown[] = [];
  const spy =
    <T extends (...args: never[]) => unknown>(run: T) =>
    (...args: Parameters<T>) => {
      seen.push(args);
      return run(...args) as never;
    };
  const { chat: own } = DEFINITION;
  assert.ok(own?.event);
  const change = {
    chat: { ...own, request: spy(own.request), response: spy(own.response), event: spy(own.event) },
    errors: { read: spy(() => undefined) },
  };
  const user = await userOf(change as never, answer({ ...SAID, said: `Your key is ${KEY}.` }));
  const { text } = await user.chat({ prompt: "x" });
  assert.equal(text, "Your key is [redacted].");
  server.behave(answer(`event: say\ndata: {"text":"${KEY}"}\n\n`, "text/event-stream"));
  await assert.rejects(user.chatStream({ prompt: "x" }).result, failsWith("STREAM_INTERRUPTED"));
  server.behave(
    answer({ error: { message: `bad ${KEY} or ${KEY.slice(5, 25)}` } }, undefined, 400),
  );
  await assert.rejects(() => user.chat({ prompt: "x" }), failsWith("PROVIDER_ERROR"));
  assert.ok(seen.length >= 5, "all functions were called");
  const everything = inspect(seen, { depth: Number.POSITIVE_INFINITY, maxStringLength: null });
  assert.doesNotMatch(everything, /0123456789/);
});

test("tables decide what failures mean, and a function says it better in the end", async () => {
  const read = ({ status, json }: { status: number; json?: { hint?: string } }) => ({
    code: status === 400 ? ("CONTEXT_TOO_LONG" as const) : undefined,
    message: json?.hint,
  });
  const user = await userOf({ errors: { ...DEFINITION.errors, read } });
  for (const [status, body, code, message] of [
    [418, {}, "CONTENT_FILTERED", /./],
    [418, { code: "no_credit" }, "QUOTA_EXCEEDED", /./],
    [400, { hint: "9 of 8 pages" }, "CONTEXT_TOO_LONG", /9 of 8 pages.*Send fewer/],
    [500, { hint: "asleep" }, "PROVIDER_UNAVAILABLE", /asleep/],
  ] as [number, object, string, RegExp][]) {
    server.behave(answer(body, "application/json", status));
    await assert.rejects(() => user.chat({ prompt: "x" }), failsWith(code, message));
  }
  const broken = await userOf({
    errors: {
      read: () => {
        throw new Error("oops");
      },
    },
  });
  server.behave(answer({}, undefined, 400));
  await assert.rejects(
    () => broken.chat({ prompt: "x" }),
    failsWith("PROVIDER_ERROR", /refused.*Besides: .*errors\.read/),
  );
});

test("an option that a function never reads is warned of", async () => {
  const user = await userOf(
    chat({
      request: ({ messages }) => ({ path: "/generate", body: { messages: messages as never } }),
    }),
  );
  const { warnings } = await user.chat({ prompt: "x", seed: 1, maxTokens: 5 });
  assert.deepEqual(warnings.map(({ option }) => option).sort(), ["maxTokens", "seed"]);
});

test("a stream is read with one state, in batches, and tool calls are put together", async () => {
  const call = (fields: object) => `event: call\ndata: ${JSON.stringify(fields)}\n\n`;
  const body =
    call({ id: "c1", name: "weather", arguments: '{"city":' }) +
    call({ arguments: '"Paris"}' }) +
    'event: end\ndata: {"id":"a","why":"done"}\n\n';
  const user = await userOf({}, answer(body, "text/event-stream"));
  const result = await user.chatStream({ prompt: "x" }).result;
  assert.deepEqual(result.toolCalls, [{ id: "c1", name: "weather", arguments: { city: "Paris" } }]);
  assert.equal(result.id, "a-3");
  assert.deepEqual(result.usage, { inputTokens: 3, outputTokens: 2, totalTokens: 5 });
});

test("a provider that can't stream answers a stream with the whole", async () => {
  const { request, response } = DEFINITION.chat ?? {};
  assert.ok(request && response);
  const user = await userOf({ chat: { request, response } });
  const stream = user.chatStream({ prompt: "x" });
  const texts: string[] = [];
  for await (const text of stream.textStream) texts.push(text);
  assert.deepEqual(texts, ["Hello."]);
  assert.equal(server.take()[0]?.url, "/generate");
});

test("an end mark of data or of an event tells a whole stream from a cut one", async () => {
  const event: NonNullable<NonNullable<ProviderDefinition["chat"]>["event"]> = ({ json }) => [
    { type: "text-delta", text: json.t },
    { type: "finish", finishReason: "stop" },
  ];
  for (const [streamEnd, mark] of [
    [{ data: "[DONE]" }, "data: [DONE]\n\n"],
    [{ event: "bye" }, 'event: bye\ndata: {"t":"!"}\n\n'],
  ] as const) {
    const user = await userOf(chat({ event, streamEnd }));
    server.behave(answer(`data: {"t":"Hi"}\n\n${mark}`, "text/event-stream"));
    assert.match((await user.chatStream({ prompt: "x" }).result).text, /^Hi!?$/);
    server.behave(answer('data: {"t":"Hi"}\n\n', "text/event-stream"));
    await assert.rejects(user.chatStream({ prompt: "x" }).result, failsWith("STREAM_INTERRUPTED"));
  }
});

test("inputs are split into batches and keep their order", async () => {
  const user = await userOf({}, (request, response) => {
    const { input } = JSON.parse(request.body.toString()) as { input: string[] };
    assert.ok(input.length <= 2);
    const vectors = input.map((text) => [text.length, 1]);
    return answer({ vectors, tokens: input.length })(request, response);
  });
  const { embeddings, usage } = await user.embed({
    model: "m",
    input: ["a", "bb", "ccc", "dddd", "eeeee"],
  });
  assert.deepEqual(
    embeddings.map(([first]) => first),
    [1, 2, 3, 4, 5],
  );
  assert.equal(usage.inputTokens, 5);
});

test("audio goes into forms, raw bodies and JSON without passing through a function", async () => {
  const audio = Buffer.from("RIFF....WAVE some audio");
  const respond = DEFINITION.speechToText?.response;
  assert.ok(respond);
  for (const [request, check] of [
    [{ path: "/a", rawAudio: true }, (body: Buffer) => assert.deepEqual(body, audio)],
    [
      { path: "/a", body: { model: "m", sound: { $audio: "base64" } } },
      (body: Buffer) => assert.equal(JSON.parse(body.toString()).sound, audio.toString("base64")),
    ],
    [
      { path: "/a", form: [{ name: "f", audio: true, filename: "x.wav" }] },
      (body: Buffer) => assert.match(body.toString(), /name="f"; filename="x\.wav".*some audio/s),
    ],
  ] as const) {
    const speechToText = { request: () => request as never, response: respond };
    const user = await userOf({ speechToText }, answer({ heard: "Hi", seconds: 1 }));
    assert.equal((await user.speechToText({ audio, model: "m" })).text, "Hi");
    check(server.take()[0]?.body ?? Buffer.alloc(0));
  }
});

test("speech in JSON is read by a function, whole and as a stream", async () => {
  const textToSpeech: NonNullable<ProviderDefinition["textToSpeech"]> = {
    request: ({ text }, { model }) => ({ path: "/speak", body: { text, model } }),
    response: (body) => ({ audio: body.b64, contentType: "audio/wav", usage: { characters: 3 } }),
  };
  const b64 = Buffer.from("sound").toString("base64");
  const user = await userOf({ textToSpeech }, answer({ b64 }));
  const { audio, contentType, usage } = await user.textToSpeech({ text: "abc", model: "m" });
  assert.deepEqual([audio.toString(), contentType, usage.characters], ["sound", "audio/wav", 3]);
  const pieces: Buffer[] = [];
  for await (const piece of user.textToSpeechStream({ text: "abc", model: "m" }))
    pieces.push(piece);
  assert.equal(Buffer.concat(pieces).toString(), "sound");
});

test("further fields of a credential go where the definition puts them", async () => {
  const definition = defineProvider({
    ...DEFINITION,
    baseURL: "https://{workspace}.acme.example/v1",
    fields: {
      workspace: { required: true, what: "the name of your workspace" },
      team: { header: "x-acme-team" },
      region: { query: "region" },
    },
  });
  const settings = { baseURL: server.origin, allowPrivateNetwork: true, maxRetries: 0 };
  const byok = make(settings, definition);
  const register = (apiKey: string | Record<string, string>) =>
    byok.registerKey({ userId: "u", provider: "acme", apiKey, validate: "format" });
  await assert.rejects(
    () => register(KEY),
    failsWith("INVALID_ARGUMENT", /workspace.*name of your/),
  );
  await register({ apiKey: KEY, workspace: "w1", team: "red", region: "a&b" });
  server.behave(answer(SAID));
  server.take();
  await byok.use("u").chat({ prompt: "x" });
  const [seen] = server.take();
  assert.equal(seen?.headers["x-acme-team"], "red");
  assert.equal(seen?.headers["x-acme-key"], `Key ${KEY}`);
  assert.equal(seen?.url, "/generate?region=a%26b");
  const own = make({}, definition);
  for (const workspace of ["evil.example/", "a.b", "w@x", ""]) {
    const apiKey = { apiKey: KEY, workspace };
    const options = { userId: "u", provider: "acme", apiKey, validate: "format" } as const;
    await assert.rejects(
      () => own.registerKey(options),
      failsWith("INVALID_ARGUMENT", /workspace/),
    );
  }
});

test("definitions that can't be are refused when they are made or configured", () => {
  const define = (change: object) => defineProvider({ ...DEFINITION, ...change });
  for (const [change, message] of [
    [{ baseUrl: "x" }, /no option baseUrl. Did you mean baseURL/],
    [{ chat: { request: () => ({}) } }, /chat needs response/],
    [{ chat: { ...DEFINITION.chat, reponse: 1 } }, /Did you mean response/],
    [{ errors: { words: { x: "NOPE" } } }, /"NOPE" is not an error code/],
    [{ credential: {} }, /./],
  ] as [object, RegExp][]) {
    assert.throws(
      () =>
        new BYOK({
          masterKey: MASTER,
          store: new MemoryStore(),
          providers: { acme: define(change) },
        }),
      failsWith("INVALID_ARGUMENT", message),
    );
  }
  for (const [change, message] of [
    [{ baseURL: "http://acme.example" }, /must be https/],
    [{ baseURL: "https://{x}.acme.example" }, /\{x\} is not one of fields/],
    [{ baseURL: "https://{host}/v1", fields: { host: { required: true } } }, /not the domain/],
    [{ credential: { header: "host" } }, /belongs to the HTTP client/],
    [{ credential: { header: "a b" } }, /not a valid header/],
    [{ verify: { path: "account" } }, /begin with one slash/],
    [{ errors: { statuses: { 200: "KEY_INVALID" } } }, /from 400 to 599/],
  ] as [object, RegExp][]) {
    const type = define(change);
    assert.throws(
      () => new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers: { acme: type } }),
      failsWith("INVALID_ARGUMENT", message),
    );
  }
  assert.throws(
    () => new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers: { openai: acme } }),
    failsWith("INVALID_ARGUMENT", /built in/),
  );
});

test("the example runs", () => {
  const example = join(__dirname, "../examples/define-provider.mjs");
  const out = execFileSync(process.execPath, [example], { encoding: "utf8" });
  assert.match(out, /stored: .*chat, embeddings/);
  assert.match(out, /stream: one\|two\|three stop/);
  assert.match(out, /error: MODEL_NOT_FOUND/);
});
