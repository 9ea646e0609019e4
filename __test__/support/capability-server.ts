// A server on the loopback address that keeps what it is asked, forms taken apart, and gives every
// capability the shortest answer that is a whole one.

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { Json } from "./recordings.js";

export interface Asked {
  method: string;
  /** Path and query as they were sent. */
  path: string;
  headers: IncomingHttpHeaders;
  json?: Json;
  /** What is neither JSON nor a form. */
  body?: Buffer;
  /** Files are objects with `filename`, `mediaType` and `content` as a Buffer. */
  form?: [name: string, value: Json][];
}

export interface CapabilityServer {
  origin: string;
  /** Takes what was asked since the last call, oldest first. */
  take(): Asked[];
  stop(): void;
}

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
export const AUDIO = Buffer.from("ID3 is how MP3 begins");

export async function startCapabilityServer(): Promise<CapabilityServer> {
  let all: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const asked: Asked = {
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers,
      ...(await taken(Buffer.concat(chunks), request.headers["content-type"] ?? "")),
    };
    all.push(asked);
    const [type, body] = answerTo(asked);
    response.writeHead(200, { "content-type": type });
    response.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = all;
      all = [];
      return taken;
    },
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function taken(body: Buffer, type: string): Promise<Pick<Asked, "json" | "body" | "form">> {
  if (body.length === 0) return {};
  if (type.startsWith("audio/")) return { body };
  if (!type.startsWith("multipart/form-data")) return { json: JSON.parse(body.toString()) };
  const parsed = await new Response(body, { headers: { "content-type": type } }).formData();
  const form: [string, Json][] = [];
  for (const [name, value] of parsed) {
    if (typeof value === "string") form.push([name, value]);
    else {
      const content = Buffer.from(await value.arrayBuffer());
      form.push([name, { filename: value.name, mediaType: value.type, content }]);
    }
  }
  return { form };
}

const json = (value: Json): [string, string] => ["application/json", JSON.stringify(value)];

function answerTo(asked: Asked): [type: string, body: string | Buffer] {
  return answerOfOwnApi(asked.path, asked.json) ?? answerLikeOpenAi(asked);
}

/** Gemini, ElevenLabs, Deepgram and Cohere. */
function answerOfOwnApi(
  path: string,
  body: Json,
): [type: string, body: string | Buffer] | undefined {
  if (path.includes(":batchEmbedContents"))
    return json({ embeddings: body.requests.map(() => ({ values: [0.5, -1] })) });
  if (/enerateContent/.test(path)) {
    const part = geminiPart(body.generationConfig);
    const answer = { candidates: [{ content: { parts: [part] }, finishReason: "STOP" }] };
    return path.includes("alt=sse") ? ["text/event-stream", eventsOf([answer])] : json(answer);
  }
  if (/\/text-to-speech\/|\/v1\/speak/.test(path)) return ["audio/mpeg", AUDIO];
  if (path.includes("/speech-to-text"))
    return json({ text: "Hello", language_code: "eng", words: [] });
  if (path.includes("/v1/listen")) {
    const alternatives = [{ transcript: "Hello", words: [] }];
    return json({ metadata: { duration: 1 }, results: { channels: [{ alternatives }] } });
  }
  if (path.endsWith("/v2/embed")) {
    const isBase64 = body.embedding_types[0] === "base64";
    const vectors = body.texts.map(() => (isBase64 ? "AAAAPwAAgL8=" : [0.5, -1]));
    return json({ id: "e", embeddings: { [body.embedding_types[0]]: vectors } });
  }
  if (!path.endsWith("/v2/chat")) return undefined;
  const content = [{ type: "text", text: body.response_format ? '"Hello"' : "Hello" }];
  if (!body.stream) return json({ id: "c", message: { content }, finish_reason: "COMPLETE" });
  const events = [
    { type: "message-start", id: "c", delta: { message: { content: [], tool_calls: [] } } },
    { type: "content-delta", index: 0, delta: { message: { content: { text: "Hello" } } } },
    { type: "message-end", delta: { finish_reason: "COMPLETE" } },
  ];
  return ["text/event-stream", eventsOf(events)];
}

function geminiPart(config: Json): Json {
  const inline = (mimeType: string, data: Buffer) => ({
    inlineData: { mimeType, data: data.toString("base64") },
  });
  const [modality] = config?.responseModalities ?? [];
  if (modality === "AUDIO") return inline("audio/mpeg", AUDIO);
  if (modality === "IMAGE") return inline("image/png", PNG);
  if (!config?.responseJsonSchema) return { text: "Hello" };
  const segments = [{ start: "00:00", end: "00:01", text: "Hello", speaker: "speaker_0" }];
  return { text: JSON.stringify({ language: "en", segments }) };
}

function answerLikeOpenAi({ path, json: body }: Asked): [type: string, body: string | Buffer] {
  if (path.includes("/workflows/") || path.includes("/image_generation/"))
    return ["image/png", PNG];
  if (path.includes("/images")) {
    const image = { b64_json: PNG.toString("base64") };
    return json({ created: 1, data: Array(body?.n ?? 1).fill(image) });
  }
  if (path.includes("/embeddings")) {
    const isQuantised = body.encoding_format === "base64_int8";
    const embedding = isQuantised ? "AQID" : [0.5, -1];
    const data = body.input.map((_: Json, index: number) => ({ index, embedding }));
    return json({ object: "list", data, model: body.model, usage: { prompt_tokens: 2 } });
  }
  if (/\/(speech|tts)\b/.test(path)) {
    const isInJson = typeof body.voice_id === "string" && "input" in body;
    if (!isInJson && body.stream_format !== "sse" && !("ref_audio" in body))
      return ["audio/mpeg", AUDIO];
    const audio_data = AUDIO.toString("base64");
    if (!body.stream && body.stream_format !== "sse") return json({ audio_data });
    const delta = { type: "speech.audio.delta", audio: audio_data };
    const events = [delta, { type: "speech.audio.done", usage: { input_tokens: 1 } }];
    return ["text/event-stream", eventsOf(events)];
  }
  if (/\/(transcriptions|stt)\b/.test(path)) return json({ text: "Hello" });
  if (path.includes("/responses")) {
    const content = [{ type: "output_text", text: "Hello", annotations: [] }];
    const output = [{ type: "message", id: "m", role: "assistant", content }];
    return json({ id: "r", object: "response", status: "completed", model: "m", output });
  }
  const choice = { index: 0, finish_reason: "stop" };
  const message = { role: "assistant", content: "Hello" };
  if (!body?.stream) return json({ model: "m", choices: [{ ...choice, message }] });
  const events = eventsOf([{ model: "m", choices: [{ ...choice, delta: message }] }]);
  return ["text/event-stream", `${events}data: [DONE]\n\n`];
}

const eventsOf = (all: Json[]) => all.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
