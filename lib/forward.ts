// A backend as a reverse proxy for one user: a request that a client of the app's made for a provider, in
// the provider's own wire format, goes on with the user's key, and the answer comes back as it arrives.

import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Engine } from "./engine.js";
import { invalidArgument } from "./errors.js";
import { type ForwardTarget, type Outgoing, send } from "./fetch.js";
import { type EncodedBody, encodeBody, ofBytes, ofStream } from "./request-body.js";
import type { ForwardOptions } from "./types.js";

/** Not `instanceof`: frameworks bring requests of their own. */
export type ForwardedRequest = Request | IncomingMessage;

export async function forward(
  engine: Engine,
  target: ForwardTarget,
  request: ForwardedRequest,
  { path, body, signal }: ForwardOptions,
): Promise<Response> {
  signal?.throwIfAborted();
  if (isWeb(request)) {
    const { pathname, search } = new URL(request.url);
    const outgoing = {
      method: request.method,
      url: path ?? pathname + search,
      headers: [...request.headers],
    } satisfies Partial<Outgoing>;
    const encoding = body === undefined ? encodeBody(engine, undefined, request) : ofGiven(body);
    const either = signal ? AbortSignal.any([signal, request.signal]) : request.signal;
    return await send(engine, target, { ...outgoing, ...PROXIED }, encoding, either);
  }
  if (!isNode(request)) {
    throw invalidArgument(
      "forward() takes a Request or a Node.js IncomingMessage (with Fastify: request.raw, and { body: request.body }).",
    );
  }
  const outgoing = {
    method: request.method ?? "GET",
    url: path ?? request.url ?? "/",
    headers: pairs(request.rawHeaders),
  } satisfies Partial<Outgoing>;
  const leaving = new AbortController();
  const leave = () => leaving.abort(new DOMException("The client went away.", "AbortError"));
  // Kept, since a request whose connection is gone has none.
  const { socket } = request;
  if (socket.destroyed) leave();
  socket.once("close", leave);
  const either = signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal;
  try {
    const encoding = bodyOf(engine, request, body);
    return await send(engine, target, { ...outgoing, ...PROXIED }, encoding, either);
  } finally {
    // From here on the response's body is what the client's leaving cancels.
    socket.removeListener("close", leave);
  }
}

/** A redirect is the provider's answer to the client like any other; nothing follows it here. */
const PROXIED = { isProxied: true, redirect: "manual" } as const;

function isWeb(request: ForwardedRequest): request is Request {
  return typeof (request as Request)?.headers?.get === "function";
}

function isNode(request: IncomingMessage): boolean {
  return Array.isArray(request?.rawHeaders) && typeof request.socket?.once === "function";
}

function pairs(raw: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) found.push([raw[at] ?? "", raw[at + 1] ?? ""]);
  return found;
}

/** The body that the caller gives, else what a body parser made of it, else the request itself. */
async function bodyOf(
  engine: Engine,
  request: IncomingMessage & { body?: unknown },
  given: unknown,
): Promise<EncodedBody> {
  if (given !== undefined) return ofGiven(given);
  if (!request.readableDidRead && !request.readableEnded) {
    const { "content-length": length, "transfer-encoding": coding } = request.headers;
    if (length === undefined && coding === undefined) return ofGiven(undefined);
    return ofStream(
      engine,
      Readable.toWeb(request) as ReadableStream<Uint8Array>,
      lengthOf(length),
    );
  }
  if (request.body === undefined) {
    throw invalidArgument(
      "forward(): the request's body was read already, and request.body is not there. Call forward() before anything reads the body, or give { body }.",
    );
  }
  return ofGiven(request.body);
}

function lengthOf(header: string | undefined): number | undefined {
  return header === undefined ? undefined : Number(header);
}

async function ofGiven(body: unknown): Promise<EncodedBody> {
  if (body === undefined || body === null) return ofBytes(new Uint8Array());
  if (typeof body === "string") return ofBytes(Buffer.from(body));
  if (body instanceof Uint8Array) return ofBytes(Uint8Array.from(body));
  return ofBytes(Buffer.from(JSON.stringify(body)));
}
