// Every capability of every provider against a server that misbehaves, and against one that repeats the
// key in its error. The list of providers is asked of the library, so a new one is covered by being there.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import { BYOK, BYOKError, type BYOKOptions, type User } from "../dist/index.js";

const SECRET = randomBytes(20).toString("hex");
const KEY = `sk-canary-${SECRET}`;
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB", "base64");
const WAV = Buffer.from("52494646240000005741564566d7420", "hex");
const error = (message: string) => JSON.stringify({ error: { message }, detail: message });

type Answer = (response: ServerResponse) => void;
const answering =
  (status: number, body: string, type = "application/json"): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": type });
    response.end(body);
  };

/** What goes wrong, and what it is called. A stream of a chat may find that it broke off instead. */
const FAULTS: [name: string, answer: Answer, code: string][] = [
  ["400", answering(400, error("no")), "PROVIDER_ERROR"],
  ["401", answering(401, error("no")), "KEY_INVALID"],
  ["403", answering(403, error("no")), "PERMISSION_DENIED"],
  ["429", answering(429, error("no")), "PROVIDER_RATE_LIMITED"],
  ["500", answering(500, "<html>"), "PROVIDER_UNAVAILABLE"],
  ["503 without a body", answering(503, ""), "PROVIDER_UNAVAILABLE"],
  ["an empty answer", answering(200, ""), "BAD_RESPONSE"],
  ["half of a JSON text", answering(200, '{"data":[{"a'), "BAD_RESPONSE"],
  ["another JSON", answering(200, '{"unexpected":true}'), "BAD_RESPONSE"],
  ["a page", answering(200, "<html>Sign in</html>", "text/html"), "BAD_RESPONSE"],
  ["a closed connection", (response) => response.socket?.destroy(), "PROVIDER_UNAVAILABLE"],
  [
    "a broken answer",
    (response) => {
      response.writeHead(200, { "content-length": "500" });
      response.write("{", () => response.socket?.destroy());
    },
    "STREAM_INTERRUPTED",
  ],
];

/** A call of each kind; streams are read to their end. */
const CALLS: Record<string, (user: User, provider: string) => Promise<unknown>> = {
  chat: (user, provider) => user.chat({ provider, model: "m", prompt: "hi" }),
  chatStream: (user, provider) => user.chatStream({ provider, model: "m", prompt: "hi" }).result,
  embeddings: (user, provider) => user.embed({ provider, model: "m", input: ["a", "b"] }),
  textToSpeech: (user, provider) => user.textToSpeech({ provider, model: "m", text: "hi" }),
  textToSpeechStream: async (user, provider) => {
    for await (const _ of user.textToSpeechStream({ provider, model: "m", text: "hi" }));
  },
  speechToText: (user, provider) =>
    user.speechToText({ provider, model: "m", audio: WAV, filename: "a.wav" }),
  imageGeneration: (user, provider) =>
    user.generateImage({ provider, model: "m", prompt: "a cat" }),
  edits: (user, provider) =>
    user.generateImage({ provider, model: "m", prompt: "a cat", images: [PNG] }),
};
const CALLS_OF: Record<string, string[]> = {
  chat: ["chat", "chatStream"],
  textToSpeech: ["textToSpeech", "textToSpeechStream"],
  imageGeneration: ["imageGeneration", "edits"],
};
/** Refused before anything is sent. */
const NO_EDITS = ["fireworks"];

let server: Server;
let answer: Answer = answering(200, "{}");
let byok: BYOK;
let user: User;
/** Provider and call. */
const all: [provider: string, call: string][] = [];

before(async () => {
  server = createServer((request, response) => {
    request.resume();
    request.on("error", () => {});
    request.on("end", () => answer(response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const here = { baseURL, allowPrivateNetwork: true, maxRetries: 0, timeoutMs: 10_000 };
  const ids = await knownProviders();
  const providers: NonNullable<BYOKOptions["providers"]> = {
    mine: { type: "openai-compatible", ...here },
  };
  for (const id of ids) providers[id] = here;
  // A key that was refused on purpose goes on being sent.
  byok = new BYOK({ masterKey: randomBytes(32), providers, health: { invalidAfter: 0 } });
  user = byok.use("u");
  for (const provider of [...ids, "mine"]) {
    const info = await byok.registerKey({
      userId: "u",
      provider,
      apiKey: KEY,
      validate: false,
    });
    for (const capability of info.capabilities)
      for (const call of CALLS_OF[capability] ?? [capability])
        if (call !== "edits" || !NO_EDITS.includes(provider)) all.push([provider, call]);
  }
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await byok.close();
});

/** The built-in providers, as the library names them to who asks for one that is not there. */
async function knownProviders(): Promise<string[]> {
  const plain = new BYOK({ masterKey: randomBytes(32) });
  const refused = await plain.hasKey({ userId: "u", provider: "0000000000" }).catch((e) => e);
  await plain.close();
  const known = /Known: ([^ ].*?)\. /.exec(String(refused.message))?.[1];
  assert.ok(known, String(refused.message));
  return known.split(", ");
}

async function outcomeOf(run: () => Promise<unknown>): Promise<BYOKError | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof BYOKError, String(error));
    return error;
  }
}

test("there are providers, and calls for each of their capabilities", () => {
  const providers = new Set(all.map(([provider]) => provider));
  assert.ok(providers.size >= 20, [...providers].join());
  for (const [, call] of all) assert.ok(CALLS[call], call);
  assert.deepEqual(new Set(all.map(([, call]) => call)), new Set(Object.keys(CALLS)));
});

for (const [name, fault, code] of FAULTS) {
  test(`${name} is ${code} for every capability of every provider`, async () => {
    answer = fault;
    const problems: string[] = [];
    for (const [provider, call] of all) {
      const outcome = await outcomeOf(() => CALLS[call]?.(user, provider) ?? Promise.resolve());
      const isStream = call === "chatStream";
      const codes = isStream && code === "BAD_RESPONSE" ? [code, "STREAM_INTERRUPTED"] : [code];
      if (!codes.includes(outcome?.code ?? ""))
        problems.push(`${provider} ${call}: ${outcome?.code ?? "no error"}`);
      else assert.equal(outcome?.provider, provider);
    }
    assert.deepEqual(problems, []);
  });
}

test("a key that a provider repeats is in no error, for every capability of every provider", async () => {
  const echoes = [
    answering(401, error(`Incorrect API key provided: ${KEY}. Find yours at ...`)),
    answering(400, error(`Authorization: Bearer ${KEY} is no good`)),
    answering(200, `{"unexpected":"${KEY}"}`),
    answering(200, KEY, "text/plain"),
  ];
  for (const echo of echoes) {
    answer = echo;
    for (const [provider, call] of all) {
      const outcome = await outcomeOf(() => CALLS[call]?.(user, provider) ?? Promise.resolve());
      if (!outcome) continue; // an answer that may hold anything
      const texts = [String(outcome), outcome.stack, JSON.stringify(outcome), inspect(outcome)];
      for (let at = 0; at + 8 <= SECRET.length; at++) {
        const piece = SECRET.slice(at, at + 8);
        assert.ok(!texts.join("\n").includes(piece), `${provider} ${call}`);
      }
    }
  }
});
