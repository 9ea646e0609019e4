// The public interface over the real addon and a real server on this machine: what the other files
// prove against a stand-in holds for the whole.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import {
  BYOK,
  BYOKError,
  type BYOKOptions,
  type ChatEvent,
  type KeyId,
  type KeyRecord,
  type KeyStore,
  MemoryStore,
  SqliteStore,
} from "../dist/index.js";
import { type Practice, requestsOf, startPractice, until } from "./support/practice.js";

const MASTER = Buffer.alloc(32, "a fine master key \x01\x02").toString("base64");
let practice: Practice;
const cleanups: (() => void)[] = [];
before(async () => {
  practice = await startPractice((stop) => cleanups.push(stop));
});
after(() => {
  for (const stop of cleanups) stop();
});

function make(options: Partial<BYOKOptions> = {}, fault = ""): BYOK {
  const at = (path: string) => ({
    baseURL: `${practice.origin}${fault}${path}`,
    allowPrivateNetwork: true,
  });
  return new BYOK({
    masterKey: MASTER,
    store: new MemoryStore(),
    providers: {
      openai: at("/openai/v1"),
      anthropic: at("/anthropic"),
      gemini: at("/gemini/v1beta"),
    },
    ...options,
  });
}

async function withKey(options: Partial<BYOKOptions> = {}, fault = "") {
  const byok = make(options, fault);
  const apiKey = practice.openaiKey;
  await byok.registerKey({ userId: "u", provider: "openai", apiKey, validate: "format" });
  return { byok, user: byok.use("u") };
}

const code = (wanted: string) => (error: unknown) => {
  assert.ok(error instanceof BYOKError, inspect(error));
  assert.equal(error.code, wanted, error.message);
  return true;
};

test("a key goes in, a question goes out, and the answer comes back, with each provider", async () => {
  const byok = make();
  const keys = {
    openai: practice.openaiKey,
    anthropic: practice.anthropicKey,
    gemini: practice.geminiKey,
  };
  for (const [provider, apiKey] of Object.entries(keys)) {
    const info = await byok.registerKey({ userId: "u", provider, apiKey: Buffer.from(apiKey) });
    assert.equal(info.status, "active");
    assert.ok(info.verifiedAt);
    assert.ok(!JSON.stringify(info).includes(apiKey));
    const result = await byok.use("u").chat({ provider, prompt: "What is the capital of France?" });
    assert.match(result.text, /Paris/);
    assert.equal(result.provider, provider);
    assert.equal(result.finishReason, "stop");
    assert.ok(result.usage.totalTokens > 0);

    const stream = byok.use("u").chatStream({ provider, prompt: "What is the capital of France?" });
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    assert.equal(text, result.text);
    assert.equal((await stream.result).text, text);
  }
  assert.equal((await byok.listKeys({ userId: "u" })).length, 3);
  assert.deepEqual(await byok.use("u").capabilities(), [
    "chat",
    "embeddings",
    "textToSpeech",
    "speechToText",
    "imageGeneration",
  ]);
  assert.equal(await byok.hasKey({ userId: "u", provider: "gemini" }), true);
  assert.equal((await byok.verifyKey({ userId: "u", provider: "gemini" })).status, "active");
  assert.equal(await byok.deleteKey({ userId: "u", provider: "gemini" }), true);
  assert.equal(await byok.deleteKey({ userId: "u", provider: "gemini" }), false);
  assert.equal(await byok.deleteUser({ userId: "u" }), 2);
  await assert.rejects(byok.use("u").chat({ prompt: "x" }), code("KEY_NOT_FOUND"));
  await byok.close();
  await byok.close();
  await assert.rejects(byok.use("u").chat({ prompt: "x" }), code("CLOSED"));
});

test("a refused key is KEY_REJECTED, is not stored, and its bytes are wiped", async () => {
  const byok = make();
  const apiKey = Buffer.from("sk-practice-unknown-0123456789");
  await assert.rejects(
    byok.registerKey({ userId: "u", provider: "openai", apiKey }),
    code("KEY_REJECTED"),
  );
  assert.ok(apiKey.every((byte) => byte === 0));
  assert.deepEqual(await byok.listKeys({ userId: "u" }), []);
});

test("master keys are refused and wiped by the constructor", () => {
  for (const masterKey of [
    "too short",
    Buffer.alloc(32),
    Buffer.from("0123456789abcdef0123456789abcdef"),
  ]) {
    assert.throws(() => make({ masterKey }), code("INVALID_MASTER_KEY"));
  }
  const good = Buffer.from(MASTER, "base64");
  make({ masterKey: good });
  assert.ok(good.every((byte) => byte === 0));
});

test("a master key that is loaded later is awaited", async () => {
  const { user } = await withKey({ masterKey: async () => Buffer.from(MASTER, "base64") });
  assert.match((await user.chat({ prompt: "capital of France" })).text, /Paris/);
});

test("wrong provider settings are told by the constructor", () => {
  const wrong = { providers: { openai: { baseURL: "http://example.com" } } };
  assert.throws(() => make(wrong), code("INVALID_ARGUMENT"));
});

test("keys in a SqliteStore are there after a restart, sealed", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "byok-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "keys.db");
  const { byok } = await withKey({ store: new SqliteStore(path) });
  await byok.close();
  assert.ok(!readFileSync(path).includes(practice.openaiKey));

  const again = make({ store: new SqliteStore(path) });
  assert.match((await again.use("u").chat({ prompt: "capital of France" })).text, /Paris/);
  await again.close();
  assert.throws(
    () => new SqliteStore(join(folder, "no", "such", "folder", "keys.db")),
    code("STORE_ERROR"),
  );
});

test("an application's own store serves as well, and its exception is the cause", async () => {
  const records = new Map<string, KeyRecord>();
  const name = (id: KeyId) => JSON.stringify([id.namespace, id.userId, id.provider, id.label]);
  const outage = new Error("database is down");
  let down = false;
  const store: KeyStore = {
    async get(id) {
      if (down) throw outage;
      return records.get(name(id));
    },
    set: async (record) => void records.set(name(record), record),
    delete: async (id) => records.delete(name(id)),
    async list({ userId }) {
      if (down) throw outage;
      return [...records.values()].filter((record) => record.userId === userId);
    },
  };
  const { byok, user } = await withKey({ store });
  assert.match((await user.chat({ prompt: "capital of France" })).text, /Paris/);
  assert.match([...records.values()][0]?.sealed ?? "", /^byok1\./);
  down = true;
  const error = await user.chat({ prompt: "x" }).then(
    () => assert.fail("it should have failed"),
    (reason: BYOKError) => reason,
  );
  assert.equal(error.code, "STORE_ERROR");
  assert.equal(error.cause, outage);
  down = false;
  const [record] = records.values();
  assert.ok(record);
  records.set(name(record), { ...record, sealed: 5 } as unknown as KeyRecord);
  await assert.rejects(byok.hasKey({ userId: "u", provider: "openai" }), code("BAD_RECORD"));
});

test("bytes reach the provider, and a malformed message is named", async () => {
  const { user } = await withKey();
  const png = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=",
    "base64",
  );
  for (const image of [new Uint8Array(png), new Blob([png])]) {
    const content = [
      { type: "text", text: "capital of France" },
      { type: "image", image },
    ] as const;
    assert.match((await user.chat({ messages: [{ role: "user", content }] })).text, /Paris/);
  }
  const wrong = {
    role: "user",
    content: [{ type: "image", image: Uint8Array.of(1, 2, 3) }],
  } as const;
  await assert.rejects(user.chat({ messages: [wrong] }), (error: BYOKError) => {
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.match(error.message, /messages\[0\]\.content\[0\]\.image/);
    return true;
  });
});

test("a signal ends a call that the provider never answers, and frees it", async () => {
  const { user } = await withKey({}, "/fault/stall");
  const controller = new AbortController();
  const { signal } = controller;
  const pending = user.chat({ prompt: "aborted call", signal });
  setTimeout(() => controller.abort(new Error("enough")), 50);
  await assert.rejects(pending, (error: BYOKError) => {
    assert.deepEqual(
      [error.code, error.name, error.cause],
      ["ABORTED", "AbortError", signal.reason],
    );
    return true;
  });
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

for (const way of ["break", "cancel", "abort", "client"] as const) {
  test(`a stream ended by ${way} closes the connection to the provider`, async (t) => {
    const own = await startPractice((stop) => t.after(stop));
    const baseURL = `${own.origin}/fault/stall-mid/openai/v1`;
    const byok = make({ providers: { openai: { baseURL, allowPrivateNetwork: true } } });
    await byok.registerKey({
      userId: "u",
      provider: "openai",
      apiKey: own.openaiKey,
      validate: "format",
    });
    const controller = new AbortController();
    const prompt = "one two three four five six seven eight nine ten eleven twelve";
    const stream = byok.use("u").chatStream({ prompt, signal: controller.signal });
    if (way === "client") {
      const reader = stream.toResponse().body?.getReader();
      await reader?.read();
      await reader?.cancel();
    } else {
      const reading = (async () => {
        for await (const _ of stream) {
          if (way === "break") break;
          if (way === "cancel") stream.cancel();
          if (way === "abort") controller.abort();
        }
      })();
      if (way === "break") await reading;
      else await assert.rejects(reading, code("ABORTED"));
    }
    await assert.rejects(stream.result, code("ABORTED"));
    await until(async () =>
      (await requestsOf(own)).find((request) => request.peerClosedAtMs !== undefined),
    );
  });
}

test("a stream that breaks off is an error in every form", async () => {
  const { user } = await withKey({}, "/fault/close-mid");
  const prompt = "one two three four five six seven eight nine ten";
  await assert.rejects(user.chatStream({ prompt }).result, code("STREAM_INTERRUPTED"));
  const seen: ChatEvent[] = [];
  await assert.rejects(async () => {
    for await (const event of user.chatStream({ prompt })) seen.push(event);
  }, code("STREAM_INTERRUPTED"));
  assert.ok(seen.every((event) => event.type !== "finish"));
  assert.match(
    await user.chatStream({ prompt }).toResponse().text(),
    /event: error\ndata: .*STREAM_INTERRUPTED.*\n\n$/,
  );
});

test("a response carries the whole answer as events, the last of them finish", async () => {
  const { user } = await withKey();
  const text = await user.chatStream({ prompt: "capital of France" }).toResponse().text();
  const events = text
    .trimEnd()
    .split("\n\n")
    .map((event) => JSON.parse(event.slice("data: ".length)) as ChatEvent);
  assert.equal(events.at(-1)?.type, "finish");
  assert.match(
    events.map((event) => (event.type === "text-delta" ? event.text : "")).join(""),
    /Paris/,
  );
});
