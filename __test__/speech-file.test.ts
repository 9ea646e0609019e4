// Audio on its way: a real speech file in every form that callers have it in arrives byte for byte, a
// long one passes without being held, and speech is handed on as it is made.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, mkdtempSync, openAsBlob, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { type AudioSource, BYOK, MemoryStore, type User } from "../dist/index.js";
import { type AnswerServer, type Asked, json, startAnswerServer } from "./support/one-answer.js";
import type { Json } from "./support/recordings.js";

const ROOT = join(__dirname, "..");
const FILE = join(mkdtempSync(join(tmpdir(), "byok-")), "speech.wav");
/** What each provider answers, and how the audio is found in what it was sent. */
const PROVIDERS: Record<string, { answer: Json; audioOf: (asked: Asked) => Promise<Buffer> }> = {
  openai: { answer: { text: "Heard." }, audioOf: fileOfForm },
  elevenlabs: { answer: { text: "Heard.", language_code: "eng", words: [] }, audioOf: fileOfForm },
  deepgram: {
    answer: { results: { channels: [{ alternatives: [{ transcript: "Heard.", words: [] }] }] } },
    audioOf: async ({ headers, body }) => {
      assert.equal(headers["content-type"], "audio/wav");
      return body;
    },
  },
  gemini: {
    answer: { candidates: [{ content: { parts: [{ text: "Heard." }] }, finishReason: "STOP" }] },
    audioOf: async ({ body }) => {
      const { mimeType, data } = JSON.parse(body.toString()).contents[0].parts[0].inlineData;
      assert.equal(mimeType, "audio/wav");
      return Buffer.from(data, "base64");
    },
  },
};

async function fileOfForm({ headers, body }: Asked): Promise<Buffer> {
  const type = headers["content-type"] ?? "";
  assert.match(type, /^multipart\/form-data; boundary=/);
  const response = new Response(new Uint8Array(body), { headers: { "content-type": type } });
  const file = (await response.formData()).get("file");
  assert.ok(file instanceof File);
  assert.deepEqual([file.name, file.type], ["speech.wav", "audio/wav"]);
  return Buffer.from(await file.arrayBuffer());
}

let server: AnswerServer;
let byok: BYOK;
let user: User;

before(async () => {
  const made = spawnSync(process.execPath, [join(ROOT, "scripts/speech-file.mjs"), FILE], {
    encoding: "utf8",
  });
  assert.equal(made.status, 0, made.stderr);
  server = await startAnswerServer();
  const providers: Record<string, object> = {};
  for (const provider of Object.keys(PROVIDERS))
    providers[provider] = { baseURL: server.origin, allowPrivateNetwork: true, maxRetries: 0 };
  byok = new BYOK({ masterKey: randomBytes(32), store: new MemoryStore(), providers });
  for (const provider of Object.keys(PROVIDERS))
    await byok.registerKey({ userId: "u", provider, apiKey: "k".repeat(40), validate: false });
  user = byok.use("u");
});
after(async () => {
  server.stop();
  await byok.close();
});

const webStream = () => Readable.toWeb(createReadStream(FILE)) as ReadableStream<Uint8Array>;
const FORMS: Record<string, () => AudioSource | Promise<AudioSource>> = {
  bytes: () => readFileSync(FILE),
  "an ArrayBuffer": () => new Uint8Array(readFileSync(FILE)).buffer,
  "a File": () => new File([readFileSync(FILE)], "speech.wav", { type: "audio/wav" }),
  "a Blob of a file on disk": () => openAsBlob(FILE, { type: "audio/wav" }),
  "a Web stream": webStream,
  "a Node stream": () => createReadStream(FILE, { highWaterMark: 1000 }),
};

describe("a real speech file arrives byte for byte", () => {
  for (const [provider, { answer, audioOf }] of Object.entries(PROVIDERS)) {
    for (const [form, make] of Object.entries(FORMS)) {
      test(`at ${provider}, given as ${form}`, async () => {
        const speech = readFileSync(FILE);
        assert.equal(speech.subarray(0, 4).toString(), "RIFF");
        assert.ok(speech.length > 50_000);
        server.answer = json(answer);
        server.take();
        const audio = await make();
        const { text } = await user.speechToText({ provider, audio, filename: "speech.wav" });
        assert.equal(text, "Heard.");
        const [asked, ...more] = server.take();
        assert.ok(asked);
        assert.equal(more.length, 0);
        assert.ok((await audioOf(asked)).equals(speech));
      });
    }
  }
});

/** Counts and hashes what it is sent, without keeping it. */
async function startSink(answer: Json) {
  const seen = { bytes: 0, hash: createHash("sha256") };
  const http = createServer(async (request, response) => {
    seen.bytes = 0;
    for await (const chunk of request) seen.bytes += (chunk as Buffer).length;
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const stop = () => http.close();
  return { origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, seen, stop };
}

const LONG = 100 * 1024 * 1024;

for (const provider of ["elevenlabs", "deepgram"]) {
  test(`100 MB of audio pass to ${provider} while memory grows by less than 16 MB`, async () => {
    const sink = await startSink(PROVIDERS[provider]?.answer);
    try {
      const child = join(ROOT, "__test__/memory/upload.mjs");
      const args = ["--expose-gc", child, sink.origin, provider, String(LONG)];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      const { growth, text } = JSON.parse(stdout);
      assert.equal(text, "Heard.");
      assert.ok(sink.seen.bytes >= LONG && sink.seen.bytes < LONG + 2000, `${sink.seen.bytes}`);
      assert.ok(growth < 16 * 1024 * 1024, `memory grew by ${growth} bytes`);
    } finally {
      sink.stop();
    }
  });
}

/** The samples as one event of Gemini's stream. */
function event(samples: Buffer, finishReason?: string): string {
  const inlineData = { mimeType: "audio/L16;rate=24000", data: samples.toString("base64") };
  const candidate = { content: { parts: [{ inlineData }] }, finishReason };
  return `data: ${JSON.stringify({ candidates: [candidate] })}\r\n\r\n`;
}

describe("speech is handed on as it is made", () => {
  const [first, second] = [randomBytes(3000), randomBytes(3000)];
  const whole: Record<string, [string | Buffer, string | Buffer]> = {
    elevenlabs: [first, second],
    deepgram: [first, second],
    openai: [first, second],
    gemini: [event(first), event(second, "STOP")],
  };
  for (const [provider, [one, two]] of Object.entries(whole)) {
    test(`the first audio of ${provider} is read before the second is sent`, async () => {
      let goOn = () => {};
      const firstWasRead = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      server.answer = async (response) => {
        const contentType = provider === "gemini" ? "text/event-stream" : "audio/mpeg";
        response.writeHead(200, { "content-type": contentType });
        response.write(one);
        await firstWasRead; // never comes when the library waits for more
        response.end(two);
      };
      const stream = user.textToSpeechStream({ provider, text: "Hello", format: "pcm" });
      const read: Buffer[] = [];
      for await (const piece of stream) {
        read.push(piece);
        if (Buffer.concat(read).length >= first.length) goOn();
      }
      assert.ok(Buffer.concat(read).equals(Buffer.concat([first, second])));
    });
  }
});
