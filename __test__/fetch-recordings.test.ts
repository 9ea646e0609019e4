// The official SDKs on recorded answers of real providers: through user.fetch they behave as with the global
// fetch, whatever the answer is and however it is cut, broken answers and failures included.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { BYOK, MemoryStore } from "../dist/index.js";
import { MASTER } from "./support/library.js";
import { isRefusedByHelper } from "./support/oddities.js";
import { loadChats, type Recording } from "./support/recordings.js";
import { askingFor, type Cut, type Replay, startReplay } from "./support/replay.js";
import { type Ask, officialSdks } from "./support/sdks.js";

const loaded = loadChats();
if (!loaded) console.log("skipped: ../shared/recordings is not present");
const options = loaded ? {} : { skip: "../shared/recordings is not present" };
const recordings = loaded ?? [];

type Sdks = ReturnType<typeof officialSdks>;
let replay: Replay;
let byok: BYOK;
let own: Sdks;
let ours: Sdks;

before(async () => {
  replay = await startReplay(recordings);
  const at = (path: string) => ({ baseURL: replay.origin + path, allowPrivateNetwork: true });
  byok = new BYOK({
    masterKey: MASTER,
    store: new MemoryStore(),
    // Recorded refusals must not keep the key from the next recording.
    health: { invalidAfter: 0 },
    providers: { openai: at("/v1"), anthropic: at(""), gemini: at("/v1beta") },
  });
  for (const provider of ["openai", "anthropic", "gemini"]) {
    const apiKey = "a-real-key-0123456789";
    await byok.registerKey({ userId: "u", provider, apiKey, validate: false });
  }
  own = officialSdks(replay.origin);
  ours = officialSdks(replay.origin, (provider) => byok.use("u").fetch(provider));
});
after(async () => {
  await byok.close();
  replay.close();
});

/** What an application sees: the answer, or the error with everything that it is matched by. */
async function outcome(ask: Ask, recording: Recording, cut: Cut): Promise<unknown> {
  try {
    return await ask(askingFor(recordings.indexOf(recording), cut), recording.kind === "sse");
  } catch (error) {
    const { name, status, code, type, message, error: body } = error as Record<string, unknown>;
    const cause = (error as Error).cause;
    return {
      type: (error as Error).constructor.name,
      name,
      status,
      code,
      kind: type,
      // What broke a connection is told in the words of the client that saw it.
      message: cause === undefined ? message : String(message).split(":")[0],
      body,
    };
  }
}

async function sameForAll(all: readonly Recording[], cuts: (length: number) => Cut[]) {
  const problems: string[] = [];
  const queue = all.values();
  const worker = async () => {
    for (const recording of queue) {
      if (recording.api === "other") continue;
      const api = isRefusedByHelper(recording) ? "events" : recording.api;
      for (const cut of cuts(recording.body.length)) {
        const [expected, found] = await Promise.all(
          [own, ours].map((sdks) => outcome(sdks[api], recording, cut)),
        );
        if (!isDeepStrictEqual(found, expected))
          problems.push(
            `${recording.path} (${cut}): ${JSON.stringify(found)}, with fetch: ${JSON.stringify(expected)}`,
          );
      }
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  assert.ok(problems.length === 0, `${problems.length} problems\n${problems.sort().join("\n")}`);
}

test("every recorded answer reads the same", options, async () => {
  const whole = recordings.filter(({ kind, status }) => kind === "json" && status === 200);
  assert.ok(whole.length > 700, `only ${whole.length}`);
  await sameForAll(whole, () => ["whole"]);
});

test("every recorded stream reads the same, in pieces of any size", options, async () => {
  const streams = recordings.filter(({ kind, status }) => kind === "sse" && status === 200);
  assert.ok(streams.length > 230, `only ${streams.length}`);
  await sameForAll(streams, (length) => (length < 3_000 ? ["whole", "1", "7"] : ["random"]));
});

test("a stream that breaks or ends early fails or reads the same", options, async () => {
  const streams = recordings.filter(({ kind, status }) => kind === "sse" && status === 200);
  const some = streams.filter((_, index) => index % 3 === 0);
  await sameForAll(some, (length) => {
    const half = Math.floor(length / 2);
    return [`break:${half}`, `end:${half}`];
  });
});

test("every recorded failure is the same error", options, async () => {
  const failures = recordings.filter(({ status }) => status >= 400);
  assert.ok(failures.length >= 25, `only ${failures.length}`);
  await sameForAll(failures, () => ["whole"]);
});
