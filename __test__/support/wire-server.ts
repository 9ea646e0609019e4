// A server on the loopback address that keeps every byte it is asked, connections included, and
// answers as a test says.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  method: string;
  /** Path and query as they were sent. */
  path: string;
  /** Names in lower case and values, in the order of the wire. */
  headers: [name: string, value: string][];
  body: Buffer;
}

export interface WireServer {
  origin: string;
  port: number;
  /** Connections that were opened, and requests whose body came to its end. */
  connections: number;
  asked: Asked[];
  /** Requests whose client left before they were answered in full. */
  left: number;
  stop(): void;
}

export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  asked: Asked,
) => void | Promise<void>;

/** @param early - answers at the head, before the body has come; its `asked.body` is empty */
export async function startWireServer(
  answer: Answer = (_, response) => void response.end("{}"),
  early = false,
): Promise<WireServer> {
  const http = createServer(async (request, response) => {
    response.once("close", () => {
      if (!response.writableFinished) server.left++;
    });
    const headers: [string, string][] = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2)
      headers.push([
        request.rawHeaders[at]?.toLowerCase() ?? "",
        Buffer.from(request.rawHeaders[at + 1] ?? "", "latin1").toString("latin1"),
      ]);
    const asked: Asked = {
      method: request.method ?? "",
      path: request.url ?? "",
      headers,
      body: Buffer.alloc(0),
    };
    if (early) return void answer(request, response, asked);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the client left: `left` counts it
    }
    asked.body = Buffer.concat(chunks);
    server.asked.push(asked);
    await answer(request, response, asked);
  });
  http.on("connection", () => {
    server.connections++;
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  const server: WireServer = {
    origin: `http://127.0.0.1:${port}`,
    port,
    connections: 0,
    asked: [],
    left: 0,
    stop() {
      http.close();
      http.closeAllConnections();
    },
  };
  return server;
}

/** The values of a header, or undefined. */
export function headerOf(asked: Asked | undefined, name: string): string | undefined {
  const values = asked?.headers.filter(([other]) => other === name).map(([, value]) => value);
  return values?.length ? values.join(", ") : undefined;
}
