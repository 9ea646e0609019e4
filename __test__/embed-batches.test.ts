// Many inputs in one call: batches under way at the same time, answered in any order.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { BYOK, type Progress } from "../dist/index.js";
import { failsWith } from "./support/library.js";

/** An answer of Gemini's `batchEmbedContents`: each text is a number, and its vector says which. */
interface Asked {
  requests: { content: { parts: { text: string }[] } }[];
}

let atOnce = 0;
let mostAtOnce = 0;
/** What each batch had, in the order of arrival. */
const asked: (string | undefined)[][] = [];
/** The text that the server refuses. */
let poison: string | undefined;
let closed = 0;
const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  const texts = (JSON.parse(body) as Asked).requests.map(({ content }) => content.parts[0]?.text);
  asked.push(texts);
  mostAtOnce = Math.max(mostAtOnce, ++atOnce);
  response.once("close", () => {
    if (!response.writableFinished) closed++;
  });
  await new Promise((done) => setTimeout(done, Math.random() * 40));
  atOnce--;
  const isRefused = poison !== undefined && texts.includes(poison);
  response.writeHead(isRefused ? 400 : 200, { "content-type": "application/json" });
  const values = (text = "") => ({ values: [Number(text), -Number(text), 0.5] });
  response.end(
    JSON.stringify(
      isRefused
        ? { error: { code: 400, message: "That can't be embedded.", status: "INVALID_ARGUMENT" } }
        : { embeddings: texts.map(values) },
    ),
  );
});

let byok: BYOK;
before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  byok = new BYOK({
    masterKey: randomBytes(32),
    providers: {
      gemini: { baseURL: `http://127.0.0.1:${port}/v1beta`, allowPrivateNetwork: true },
    },
  });
  await byok.registerKey({ userId: "u", provider: "gemini", apiKey: "AIza-test", validate: false });
});
after(async () => {
  await byok.close();
  server.closeAllConnections();
  server.close();
});

const inputs = Array.from({ length: 1_000 }, (_, index) => String(index + 1));

test("a thousand inputs come back in their order, however the batches are answered", async () => {
  const seen: Progress[] = [];
  const { embeddings } = await byok
    .use("u")
    .embed({ input: inputs, onProgress: (progress) => seen.push(progress) });
  assert.equal(embeddings.length, 1_000);
  embeddings.forEach((vector, index) => {
    assert.ok(vector instanceof Float32Array);
    assert.deepEqual([...vector], [index + 1, -(index + 1), 0.5]);
  });
  assert.ok(asked.length >= 10 && mostAtOnce > 1, `${asked.length} batches, ${mostAtOnce} at once`);
  assert.deepEqual(seen.at(-1), { done: 1_000, total: 1_000 });
  const done = seen.map((progress) => progress.done);
  assert.deepEqual(
    done,
    [...done].sort((a, b) => a - b),
  );
});

test("a batch that fails fails the call and says which inputs it had", async () => {
  poison = "437";
  await assert.rejects(
    byok.use("u").embed({ input: inputs }),
    failsWith("PROVIDER_ERROR", /^input\[400\] to input\[499\]: .*can't be embedded/),
  );
  await assert.rejects(
    byok.use("u").embed({ input: "437" }),
    failsWith("PROVIDER_ERROR", /^Gemini/),
  );
  poison = undefined;
});

test("a signal and a callback that throws end the call and what is under way", async () => {
  const controller = new AbortController();
  const aborting = byok.use("u").embed({
    input: inputs,
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await assert.rejects(aborting, failsWith("ABORTED"));
  const mine = new Error("mine");
  const throwing = byok.use("u").embed({
    input: inputs,
    onProgress: () => {
      throw mine;
    },
  });
  await assert.rejects(throwing, (error) => error === mine);
  for (let waited = 0; closed === 0 && waited < 5_000; waited += 20) {
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.ok(closed > 0, "no request was given up");
});

test("an input that is empty or missing is named before anything is sent", async () => {
  await assert.rejects(
    byok.use("u").embed({ input: ["a", ""] }),
    failsWith("INVALID_ARGUMENT", /input\[1\] is empty/),
  );
  await assert.rejects(byok.use("u").embed({ input: [] }), failsWith("INVALID_ARGUMENT", /input/));
  await assert.rejects(
    byok.use("u").embed({} as { input: string }),
    failsWith("INVALID_ARGUMENT", /embed\(\) needs input/),
  );
  // What the test before gave up may still arrive.
  assert.ok(!asked.some((texts) => texts.length === 0 || texts.includes("a")));
});
