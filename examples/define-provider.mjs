// A provider written in JavaScript: `node examples/define-provider.mjs` after `npm run build`.
//
// "Acme AI" does not exist: the small server at the end of this file plays it on this machine, so that the
// example runs anywhere. Everything above it is what an application would write.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { BYOK, defineProvider, MemoryStore } from "byok-ai";

export const acme = defineProvider({
  name: "Acme AI",
  baseURL: "https://api.acme.example/v1",
  credential: { header: "x-acme-key" },
  verify: { path: "/account" },
  requestIdHeader: "x-acme-request",
  keyPrefixes: ["acme-"],
  defaultModels: { chat: "acme-large", embeddings: "acme-vectors" },
  errors: { words: { no_credit: "QUOTA_EXCEEDED", unknown_model: "MODEL_NOT_FOUND" } },

  chat: {
    request: ({ system, messages, maxTokens, temperature }, { model, stream }) => ({
      path: stream ? "/generate/stream" : "/generate",
      body: {
        model,
        instructions: system,
        turns: messages.map(({ role, content }) => ({
          from: role === "assistant" ? "model" : "person",
          say: content.map((part) => (part.type === "text" ? part.text : "")).join(""),
        })),
        limit: maxTokens,
        heat: temperature,
      },
    }),
    response: (body) => ({
      id: body.answer_id,
      text: body.said,
      finishReason: FINISH[body.ended] ?? "other",
      rawFinishReason: body.ended,
      usage: { inputTokens: body.tokens.heard, outputTokens: body.tokens.spoken },
    }),
    event: ({ event, json }) => {
      if (event === "word") return { type: "text-delta", text: json.word };
      if (event === "end")
        return [
          { type: "info", id: json.answer_id },
          {
            type: "usage",
            usage: { inputTokens: json.tokens.heard, outputTokens: json.tokens.spoken },
          },
          {
            type: "finish",
            finishReason: FINISH[json.ended] ?? "other",
            rawFinishReason: json.ended,
          },
        ];
      if (event === "trouble")
        return { type: "error", error: { code: "PROVIDER_UNAVAILABLE", message: json.message } };
      return undefined;
    },
  },

  embed: {
    batchLimit: 2,
    request: ({ input }, { model }) => ({ path: "/vectors", body: { model, texts: input } }),
    response: (body) => ({ embeddings: body.vectors, usage: { inputTokens: body.tokens } }),
  },
});

const FINISH = { done: "stop", limit: "length" };

async function main() {
  const server = await acmeServer();
  const byok = new BYOK({
    masterKey: randomBytes(32),
    store: new MemoryStore(),
    providers: {
      // Elsewhere just `acme`; here it lives on this machine.
      acme: { type: acme, baseURL: server.url, allowPrivateNetwork: true },
    },
  });
  const key = await byok.registerKey({
    userId: "user_123",
    provider: "acme",
    apiKey: "acme-secret-0001",
  });
  console.log("stored:", key.hint, key.capabilities.join(", "));

  const user = byok.use("user_123");
  const { text, usage, warnings } = await user.chat({ prompt: "Hello Acme", seed: 7 });
  console.log("chat:", text, `(${usage.inputTokens} + ${usage.outputTokens} tokens)`);
  console.log("warning:", warnings[0].message);

  const words = [];
  const stream = user.chatStream({ prompt: "one two three" });
  for await (const word of stream.textStream) words.push(word.trim());
  console.log("stream:", words.join("|"), (await stream.result).finishReason);

  const { embeddings } = await user.embed({ input: ["a", "bb", "ccc"] });
  console.log("vectors:", embeddings.map((vector) => vector[0]).join(", "));

  await user
    .chat({ prompt: "Hello", model: "acme-huge" })
    .catch(({ code }) => console.log("error:", code));

  await byok.close();
  server.close();
}

/** Acme, as far as this example goes: it says back what it hears. */
async function acmeServer() {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const send = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (request.headers["x-acme-key"] !== "acme-secret-0001") return send(401, { code: "bad_key" });
    if (request.url === "/v1/account") return send(200, { plan: "example" });
    const body = JSON.parse(Buffer.concat(chunks).toString());
    if (body.model === "acme-huge") return send(404, { code: "unknown_model" });
    if (request.url === "/v1/vectors") {
      const vectors = body.texts.map((text) => [text.length, 1]);
      return send(200, { vectors, tokens: body.texts.length });
    }
    const heard = body.turns.at(-1).say;
    const words = heard.split(" ");
    const end = {
      answer_id: "a1",
      ended: "done",
      tokens: { heard: words.length, spoken: words.length },
    };
    if (request.url === "/v1/generate") return send(200, { ...end, said: heard });
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const word of words)
      response.write(`event: word\ndata: ${JSON.stringify({ word: `${word} ` })}\n\n`);
    response.end(`event: end\ndata: ${JSON.stringify(end)}\n\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/v1`, close: () => server.close() };
}

if (process.argv[1] === import.meta.filename) await main();
