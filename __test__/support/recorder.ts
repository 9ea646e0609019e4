// A server on the loopback address that keeps what it is asked and gives each protocol the shortest
// answer that its clients take for a whole one.

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Recorded {
  method: string;
  /** Path and query as they were sent. */
  path: string;
  headers: IncomingHttpHeaders;
  /** Names as sent, in order: a header that was sent twice is here twice. */
  headerNames: string[];
  text: string;
}

export interface Recorder {
  origin: string;
  /** Takes what was recorded since the last call, oldest first. */
  take(): Recorded[];
  stop(): void;
}

/** An answer text that is valid JSON too, for structured output. */
const TEXT = '{"city":"Paris"}';

export async function startRecorder(): Promise<Recorder> {
  let recorded: Recorded[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url ?? "";
    recorded.push({
      method: request.method ?? "",
      path,
      headers: request.headers,
      headerNames: request.rawHeaders.filter((_, at) => at % 2 === 0).map((n) => n.toLowerCase()),
      text: Buffer.concat(chunks).toString("utf8"),
    });
    const last = recorded[recorded.length - 1]?.text;
    const streams = path.includes("alt=sse") || (last !== "" && JSON.parse(last ?? "").stream);
    const answer = answerTo(path, streams === true);
    response.writeHead(answer === undefined ? 404 : 200, {
      "content-type": streams ? "text/event-stream" : "application/json",
    });
    response.end(answer ?? "{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const all = recorded;
      recorded = [];
      return all;
    },
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export function answerTo(path: string, streams: boolean): string | undefined {
  if (path.endsWith("/chat/completions")) return streams ? chatStream() : chat();
  if (path.endsWith("/responses")) return streams ? responsesStream() : responses();
  if (path.endsWith("/v1/messages")) return streams ? messagesStream() : messages();
  if (/enerateContent(\?|$)/.test(path))
    return streams ? events([gemini()]) : JSON.stringify(gemini());
  if (path.includes("/models")) return '{"object":"list","data":[],"models":[]}';
  return undefined;
}

const events = (all: object[]) => all.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
const named = (all: { type: string; [field: string]: unknown }[]) =>
  all.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");

const CHAT = { id: "chatcmpl-1", created: 1, model: "m" };
const CHAT_USAGE = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

const chat = () =>
  JSON.stringify({
    ...CHAT,
    object: "chat.completion",
    choices: [{ index: 0, message: { role: "assistant", content: TEXT }, finish_reason: "stop" }],
    usage: CHAT_USAGE,
  });

function chatStream(): string {
  const chunk = { ...CHAT, object: "chat.completion.chunk" };
  const delta = { role: "assistant", content: TEXT };
  return `${events([
    { ...chunk, choices: [{ index: 0, delta, finish_reason: null }] },
    { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
    { ...chunk, choices: [], usage: CHAT_USAGE },
  ])}data: [DONE]\n\n`;
}

const RESPONSE = {
  id: "resp_1",
  object: "response",
  created_at: 1,
  status: "completed",
  model: "m",
  output: [
    {
      type: "message",
      id: "msg_1",
      status: "completed",
      role: "assistant",
      content: [{ type: "output_text", text: TEXT, annotations: [] }],
    },
  ],
  usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 },
};

const responses = () => JSON.stringify(RESPONSE);

function responsesStream(): string {
  const started = { ...RESPONSE, status: "in_progress", output: [] };
  const item = RESPONSE.output[0];
  return named([
    { type: "response.created", response: started },
    { type: "response.output_item.added", output_index: 0, item: { ...item, content: [] } },
    { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: TEXT },
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: RESPONSE },
  ]);
}

const MESSAGE = { id: "msg_1", type: "message", role: "assistant", model: "m" };

const messages = () =>
  JSON.stringify({
    ...MESSAGE,
    content: [{ type: "text", text: TEXT }],
    stop_reason: "end_turn",
    usage: { input_tokens: 1, output_tokens: 1 },
  });

function messagesStream(): string {
  const usage = { input_tokens: 1, output_tokens: 1 };
  return named([
    { type: "message_start", message: { ...MESSAGE, content: [], stop_reason: null, usage } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: TEXT } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 1 } },
    { type: "message_stop" },
  ]);
}

const gemini = () => ({
  candidates: [{ content: { role: "model", parts: [{ text: TEXT }] }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
});
