// Recorded answers of real providers through the whole stack: the addon and the official SDKs ask the
// same server for the same bytes, and must read the same; EXPECTED.json has its say where it knows the
// exchange. The Rust suite reads the same recordings in-process, in more ways of cutting them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import {
  BYOK,
  BYOKError,
  type BYOKOptions,
  type ChatEvent,
  type ChatRequest,
  MemoryStore,
  type User,
} from "../dist/index.js";
import { differencesFromExpected } from "./support/expected.js";
import { CALLS_IN_PIECES, hasNoAnswer, isRefusedByHelper, proofOfEnd } from "./support/oddities.js";
import { loadChats, type Recording } from "./support/recordings.js";
import { askingFor, type Cut, type Replay, startReplay } from "./support/replay.js";
import { officialSdks, type Reading, readingOf } from "./support/sdks.js";

const loaded = loadChats();
if (!loaded) console.log("skipped: ../shared/recordings is not present");
const options = loaded ? {} : { skip: "../shared/recordings is not present" };
const recordings = loaded ?? [];

const LISTED = [
  ...["groq", "deepseek", "xai", "openrouter", "mistral", "together", "perplexity", "moonshot"],
  ...["cerebras", "ollama", "azure-openai"],
];
const RENAMED: Record<string, string> = {
  moonshotai: "moonshot",
  togetherai: "together",
  azure: "azure-openai",
  "ollama (local)": "ollama",
};

/** Who answers here. A server that the library doesn't know is an app's own; the Responses API of
 * others is read by the only reader there is. */
function providerOf({ api, provider }: Recording): string {
  if (provider === "azure") return "azure-openai";
  if (api === "messages") return "anthropic";
  if (api === "generate-content") return "gemini";
  if (api === "responses" || provider === "openai") return "openai";
  const id = RENAMED[provider] ?? provider;
  if (LISTED.includes(id)) return id;
  return `own-${id.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
}

let replay: Replay;
let user: User;
let sdks: ReturnType<typeof officialSdks>;

before(async () => {
  replay = await startReplay(recordings);
  sdks = officialSdks(replay.origin);
  const names = new Set(recordings.map(providerOf));
  const providers: NonNullable<BYOKOptions["providers"]> = {};
  for (const name of names) {
    const here = { baseURL: `${replay.origin}/v1`, allowPrivateNetwork: true };
    providers[name] = name.startsWith("own-") ? { type: "openai-compatible", ...here } : here;
  }
  // Recorded refusals are answers like any other here.
  const health = { invalidAfter: 0 };
  const byok = new BYOK({
    masterKey: randomBytes(32),
    store: new MemoryStore(),
    providers,
    health,
  });
  for (const provider of names)
    await byok.registerKey({
      userId: "u",
      provider,
      apiKey: "sk-test-0123456789",
      validate: false,
    });
  user = byok.use("u", { maxRetries: 0 });
});
after(() => replay.close());

function requestFor(recording: Recording, cut: Cut = "whole"): ChatRequest {
  const isCompletion = recording.api === "chat-completions";
  const provider = providerOf(recording);
  return {
    provider,
    model: "m",
    prompt: "hi",
    headers: askingFor(recordings.indexOf(recording), cut),
    ...(["openai", "azure-openai"].includes(provider)
      ? { providerOptions: { api: isCompletion ? "chat-completions" : "responses" } }
      : {}),
  };
}

/** A stream read to its end as an application would; the events must tell what the result does. */
async function streamed(recording: Recording, cut: Cut): Promise<Reading> {
  const stream = user.chatStream(requestFor(recording, cut));
  const events: ChatEvent[] = [];
  for await (const event of stream) events.push(event);
  const reading = readingOf(await stream.result);
  const text = events.map((event) => (event.type === "text-delta" ? event.text : "")).join("");
  assert.equal(text, reading.text);
  const calls = events.filter((event) => event.type === "tool-call");
  assert.deepEqual(
    calls.map((call) => [call.name, call.rawArguments ?? call.arguments]),
    reading.calls,
  );
  const last = events.at(-1);
  assert.ok(last?.type === "finish" && last.finishReason === reading.finishReason);
  return reading;
}

async function sdkReading(recording: Recording, cut: Cut): Promise<Reading> {
  assert.ok(recording.api !== "other");
  const ask = isRefusedByHelper(recording) ? sdks.events : sdks[recording.api];
  const headers = askingFor(recordings.indexOf(recording), cut);
  return ask(headers, recording.kind === "sse");
}

/** Runs `check` for all, a few at a time, and fails with what all of them said. */
async function forAll<T>(all: readonly T[], check: (one: T) => Promise<string[]>): Promise<void> {
  const problems: string[] = [];
  const queue = all.values();
  const worker = async () => {
    for (const one of queue) problems.push(...(await check(one)));
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  assert.ok(problems.length === 0, `${problems.length} problems\n${problems.sort().join("\n")}`);
}

function differences(recording: Recording, ours: Reading, sdk: Reading): string[] {
  const file = recording.path.split("/").at(-1) ?? "";
  const byEye = CALLS_IN_PIECES[file];
  const all: string[] = [];
  if (byEye) {
    if (!isDeepStrictEqual(ours.calls, byEye)) all.push(`calls are ${JSON.stringify(ours.calls)}`);
    sdk = { ...sdk, calls: byEye };
  } else all.push(...differencesFromExpected(recording, ours));
  for (const field of ["text", "calls", "finishReason", "usage"] as const) {
    if (!isDeepStrictEqual(ours[field], sdk[field]))
      all.push(`${field} is ${JSON.stringify(ours[field])}, SDK: ${JSON.stringify(sdk[field])}`);
  }
  return all.map((problem) => `${recording.path}: ${problem}`);
}

/** Small pieces are slow to serve, so long streams get larger ones only. */
function cutsFor(length: number): Cut[] {
  if (length < 3_000) return ["whole", "1", "7"];
  return length < 20_000 ? ["whole", "7"] : ["whole"];
}

const ok = recordings.filter(({ status }) => status === 200);
const whole = ok.filter(({ kind }) => kind === "json");
const allStreams = ok.filter(({ kind }) => kind === "sse");
const streams = allStreams.filter((recording) => !hasNoAnswer(recording));

test("every recorded answer reads as the official SDK reads it", options, async () => {
  assert.ok(whole.length > 700, `only ${whole.length}`);
  const known = whole.filter(({ expected }) => expected).length;
  assert.ok(known > 60, `only ${known} in EXPECTED.json`);
  await forAll(whole, async (recording) => {
    try {
      const ours = readingOf(await user.chat(requestFor(recording)));
      return differences(recording, ours, await sdkReading(recording, "whole"));
    } catch (error) {
      return [`${recording.path}: ${error}`];
    }
  });
});

test(
  "every recorded stream reads as the official SDK reads it, in pieces of any size",
  options,
  async () => {
    assert.ok(streams.length > 230, `only ${streams.length}`);
    await forAll(streams, async (recording) => {
      try {
        const ours = await streamed(recording, "random");
        for (const cut of cutsFor(recording.body.length))
          assert.deepEqual(await streamed(recording, cut), ours, cut);
        return differences(recording, ours, await sdkReading(recording, "random"));
      } catch (error) {
        return [`${recording.path}: ${error}`];
      }
    });
  },
);

test(
  "every recorded failure is an error with the same status as the official SDK's",
  options,
  async () => {
    const failures = recordings.filter(({ status }) => status >= 400);
    assert.ok(failures.length >= 25, `only ${failures.length}`);
    await forAll(failures, async (recording) => {
      const outcome = (asked: Promise<unknown>) =>
        asked.then(
          () => undefined,
          (error) => error,
        );
      const ours = await outcome(user.chat(requestFor(recording)));
      const sdk = await outcome(sdkReading(recording, "whole"));
      assert.ok(ours instanceof BYOKError, recording.path);
      const statuses = [recording.status, ours.status, sdk?.status];
      return new Set(statuses).size === 1 ? [] : [`${recording.path}: ${statuses}`];
    });
  },
);

/** That a stream served like this ends with an error, for those who wait and those who listen. */
async function rejects(recording: Recording, cut: Cut): Promise<string[]> {
  const stream = user.chatStream(requestFor(recording, cut));
  const events: ChatEvent[] = [];
  const listening = (async () => {
    for await (const event of stream) events.push(event);
  })();
  const outcomes = await Promise.allSettled([listening, stream.result]);
  const isWrong = outcomes.some(
    (outcome) => outcome.status === "fulfilled" || !(outcome.reason instanceof BYOKError),
  );
  const isFinished = events.some((event) => event.type === "finish");
  return isWrong || isFinished ? [`${recording.path} as ${cut} is an answer`] : [];
}

test("a recorded stream that the provider ended with an error is an error", options, async () => {
  const failed = allStreams.filter(hasNoAnswer);
  assert.ok(failed.length >= 2, `only ${failed.length}`);
  await forAll(failed, (recording) => rejects(recording, "7"));
});

test(
  "a recorded stream is an answer as soon as its proof of being complete is there",
  options,
  async () => {
    await forAll(streams, async (recording) => {
      const end = proofOfEnd(recording, providerOf(recording));
      try {
        await streamed(recording, `end:${end}`);
        return [];
      } catch (error) {
        return [`${recording.path}: ${error}`];
      }
    });
  },
);

test("a recorded stream that is cut off is an error, wherever it is", options, async () => {
  const smallest = new Map<string, Recording>();
  for (const recording of streams) {
    const kind = `${recording.api} ${providerOf(recording)}`;
    const known = smallest.get(kind);
    if (!known || recording.body.length < known.body.length) smallest.set(kind, recording);
  }
  const cuts: [Recording, Cut][] = [];
  for (const recording of streams) {
    const end = proofOfEnd(recording, providerOf(recording));
    const isSample = smallest.get(`${recording.api} ${providerOf(recording)}`) === recording;
    const step = isSample && end < 6_000 ? 10 : Math.ceil(end / 5);
    for (let at = 0; at < end; at += step)
      cuts.push([recording, `${(at / step) % 4 === 3 ? "break" : "end"}:${at}`]);
    cuts.push([recording, `end:${end - 1}`]);
  }
  assert.ok(cuts.length > 3_500, `only ${cuts.length}`);
  await forAll(cuts, ([recording, cut]) => rejects(recording, cut));
});
