// byok-ai/sdk/ai beyond chat, through the real addon to a server that answers as OpenAI does.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { embedMany, generateImage, generateSpeech, transcribe } from "ai";
import { BYOK } from "../dist/index.js";
import { byokProvider } from "../dist/sdk/ai.js";

const KEY = `sk-canary-${randomBytes(16).toString("hex")}`;
const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
const MP3 = Buffer.from("494433040000000000000000", "hex");
const WAV = Buffer.from("524946462400000057415645666d7420", "hex");

const asked: { path: string; key: string | undefined; body: Buffer }[] = [];
const server = createServer(async (request, response) => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const path = request.url ?? "";
  asked.push({ path, key: request.headers.authorization, body: Buffer.concat(pieces) });
  if (path.endsWith("/audio/speech")) {
    response.writeHead(200, { "content-type": "audio/mpeg" });
    response.end(MP3);
    return;
  }
  const base64 = (...numbers: number[]) =>
    Buffer.from(Float32Array.from(numbers).buffer).toString("base64");
  const answers: Record<string, object> = {
    "/v1/embeddings": {
      data: [
        { index: 0, embedding: base64(1, 2) },
        { index: 1, embedding: base64(3, 4) },
      ],
      usage: { prompt_tokens: 5 },
    },
    "/v1/images/generations": { data: [{ b64_json: PNG.toString("base64") }] },
    "/v1/audio/transcriptions": { text: "Hello there.", language: "en", duration: 1.5 },
  };
  response.writeHead(answers[path] === undefined ? 404 : 200, {
    "content-type": "application/json",
  });
  response.end(JSON.stringify(answers[path] ?? { error: { message: `nothing at ${path}` } }));
});

let byok: BYOK;
let models: ReturnType<typeof byokProvider>;
before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const openai = { baseURL: `http://127.0.0.1:${port}/v1`, allowPrivateNetwork: true };
  byok = new BYOK({ masterKey: randomBytes(32), providers: { openai } });
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: KEY, validate: false });
  models = byokProvider(byok.use("u"));
});
after(async () => {
  await byok.close();
  server.closeAllConnections();
  server.close();
});

test("each model of the AI SDK asks with the user's key and reads the answer", async () => {
  const { embeddings, usage } = await embedMany({
    model: models.embeddingModel("openai:text-embedding-3-small"),
    values: ["a", "b"],
  });
  assert.deepEqual(embeddings, [
    [1, 2],
    [3, 4],
  ]);
  assert.equal(usage.tokens, 5);

  const { image } = await generateImage({
    model: models.imageModel("openai:gpt-image-1"),
    prompt: "A cat",
  });
  assert.deepEqual(Buffer.from(image.uint8Array), PNG);
  assert.equal(image.mediaType, "image/png");

  const { audio } = await generateSpeech({
    model: models.speechModel("openai:gpt-4o-mini-tts"),
    text: "Hello",
  });
  assert.deepEqual(Buffer.from(audio.uint8Array), MP3);

  const { text } = await transcribe({
    model: models.transcriptionModel("openai:whisper-1"),
    audio: WAV,
  });
  assert.equal(text, "Hello there.");
  assert.ok(asked.at(-1)?.body.includes(WAV), "the audio arrives");

  assert.deepEqual(
    asked.map(({ path, key }) => [path, key]),
    ["embeddings", "images/generations", "audio/speech", "audio/transcriptions"].map((path) => [
      `/v1/${path}`,
      `Bearer ${KEY}`,
    ]),
  );
});
