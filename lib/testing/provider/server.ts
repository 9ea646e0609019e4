// A local server that plays a provider: it answers as a case tells it, and keeps what it was asked.

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it arrived. */
export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: Record<string, string>;
  body: Buffer;
  /** Resolves when the connection is gone before the answer was whole. */
  left: Promise<void>;
}

export type Behaviour = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

export class ProviderServer {
  readonly requests: SeenRequest[] = [];
  #behaviour: Behaviour;
  readonly #server: Server;

  private constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** Listens on a free port of the loopback address. */
  static async start(behaviour: Behaviour): Promise<ProviderServer> {
    const server = new ProviderServer(behaviour);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    // A suite of which a filter runs only a part must not keep the process.
    server.#server.unref();
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on. */
  behave(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
  }

  /** The requests since the last call. */
  take(): SeenRequest[] {
    return this.requests.splice(0);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const left = new Promise<void>((resolve) => {
      response.once("close", () => {
        if (!response.writableFinished) resolve();
      });
    });
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the caller left while it was sending
    }
    const seen: SeenRequest = {
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(chunks),
      left,
    };
    this.requests.push(seen);
    await this.#behaviour(seen, response);
  }
}

/** A whole answer. */
export function answer(
  body: string | Uint8Array | object,
  contentType = "application/json",
  status = 200,
): Behaviour {
  const bytes = bytesOf(body);
  return (_, response) => {
    response.writeHead(status, { "content-type": contentType, "content-length": bytes.length });
    response.end(bytes);
  };
}

/** As much of an answer, and then the end as if that were all. */
export function cutShort(body: Uint8Array, contentType: string): Behaviour {
  return (_, response) => {
    response.writeHead(200, { "content-type": contentType });
    response.end(body);
  };
}

/** Half of an answer, and then a broken connection. */
export function breakOff(body: string | Uint8Array | object, contentType: string): Behaviour {
  const bytes = bytesOf(body);
  return (_, response) => {
    response.writeHead(200, { "content-type": contentType, "content-length": bytes.length });
    response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => {
      setImmediate(() => response.destroy());
    });
  };
}

/** Nothing, ever. */
export const silence: Behaviour = () => {};

/** A closed connection instead of an answer. */
export const hangUp: Behaviour = (_, response) => {
  response.destroy();
};

export function redirect(location: string): Behaviour {
  return (_, response) => {
    response.writeHead(307, { location }).end();
  };
}

export function bytesOf(body: string | Uint8Array | object): Buffer {
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.from(JSON.stringify(body));
}
