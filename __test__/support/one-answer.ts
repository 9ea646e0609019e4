// A server on the loopback address that keeps every byte it is asked and gives the same answer to all
// until another one is set: two clients can be asked the same and compared.

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Json } from "./recordings.js";

export interface Asked {
  method: string;
  /** Path and query as they were sent. */
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Answer {
  body: Buffer;
  contentType: string;
  headers?: Record<string, string>;
}

export interface AnswerServer {
  origin: string;
  answer: Answer | ((response: ServerResponse) => void | Promise<void>);
  /** Takes what was asked since the last call, oldest first. */
  take(): Asked[];
  stop(): void;
}

export async function startAnswerServer(): Promise<AnswerServer> {
  let asked: Asked[] = [];
  const http = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = "", url: path = "", headers } = request;
    asked.push({ method, path, headers, body: Buffer.concat(chunks) });
    const { answer } = server;
    if (typeof answer === "function") {
      await answer(response);
      return;
    }
    response.writeHead(200, { "content-type": answer.contentType, ...answer.headers });
    response.end(answer.body);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const server: AnswerServer = {
    origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    answer: { body: Buffer.from("{}"), contentType: "application/json" },
    take() {
      const all = asked;
      asked = [];
      return all;
    },
    stop() {
      http.close();
      http.closeAllConnections();
    },
  };
  return server;
}

export const json = (value: Json): Answer => ({
  body: Buffer.from(JSON.stringify(value)),
  contentType: "application/json",
});

/** A request as a value in which the order of fields and of parameters does not matter; the texts of a
 * form stand beside the hex of its files. */
export async function comparable({ method, path, headers, body }: Asked): Promise<Json> {
  const url = new URL(path, "http://localhost");
  url.searchParams.sort();
  const what = { method, path: url.pathname, query: [...url.searchParams] };
  const type = headers["content-type"] ?? "";
  if (type.startsWith("multipart/")) {
    const form = await new Response(new Uint8Array(body), {
      headers: { "content-type": type },
    }).formData();
    const fields: [string, string][] = [];
    for (const [name, value] of form) {
      if (typeof value === "string") fields.push([name, value]);
      else fields.push([name, `${value.name} ${value.type} ${await hex(value)}`]);
    }
    return { ...what, form: fields.sort() };
  }
  if (type.startsWith("application/json")) return { ...what, json: JSON.parse(body.toString()) };
  return { ...what, type, body: body.toString("hex") };
}

async function hex(file: Blob): Promise<string> {
  return Buffer.from(await file.arrayBuffer()).toString("hex");
}
