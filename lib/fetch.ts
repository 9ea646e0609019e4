// A `fetch` for other clients (SDKs, frameworks) that puts one user's key in natively: the arguments go
// over as the standard reads them, and the provider's answer comes back as a `Response`. The contract is
// that of the global `fetch`, but for redirects, which carry keys away and are errors here.

import { ByteStream, readableStream } from "./byte-stream.js";
import type { Engine, Payload } from "./engine.js";
import { BYOKError, type BYOKErrorCode } from "./errors.js";
import type { Source } from "./pump.js";
import { encodeJson } from "./request.js";
import { type EncodedBody, encodeBody } from "./request-body.js";
import { onAbort } from "./signal.js";

/** Whose key, and where it is for. */
export interface ForwardTarget {
  userId: string;
  provider: string;
  label?: string | undefined;
}

/** A request in the form that native code sends it. */
export interface Outgoing {
  method: string;
  /** Absolute, or a path at the provider. */
  url: string;
  headers: [name: string, value: string][];
  redirect: string;
  /** It came from a client of the app's. */
  isProxied?: boolean;
}

interface Head {
  status: number;
  statusText: string;
  headers: [name: string, value: string][];
  url: string;
}

export function fetchFor(engine: Engine, target: ForwardTarget): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    // A null signal is none, also where the Request has one.
    const inherited = input instanceof Request ? input.signal : undefined;
    const signal = init?.signal === undefined ? inherited : (init.signal ?? undefined);
    if (signal?.aborted) {
      if (request.body !== null) request.body.cancel(signal.reason).catch(() => {});
      throw signal.reason;
    }
    const { method, url, redirect, cache } = request;
    const headers = cache === "default" ? request.headers : uncached(request.headers, cache);
    const outgoing = { method, url, redirect, headers: [...headers] };
    return await send(engine, target, outgoing, encodeBody(engine, init?.body, request), signal);
  };
}

/** There is no cache here, but those on the way are told (fetch standard, "HTTP-network-or-cache fetch"). */
function uncached(given: Headers, cache: Request["cache"]): Headers {
  const headers = new Headers(given);
  const add = (name: string, value: string) => {
    if (!headers.has(name)) headers.set(name, value);
  };
  if (cache === "no-cache") add("cache-control", "max-age=0");
  if (cache === "no-store" || cache === "reload") {
    add("pragma", "no-cache");
    add("cache-control", "no-cache");
  }
  return headers;
}

/** Sends a request, and gives what the provider answers.
 * @throws the signal's reason; TypeError when there is no answer, BYOKError when none was asked for */
export async function send(
  engine: Engine,
  target: ForwardTarget,
  outgoing: Outgoing,
  encoding: Promise<EncodedBody>,
  signal: AbortSignal | undefined,
): Promise<Response> {
  let body: EncodedBody | undefined;
  const failed = (error: unknown, words: string): unknown => {
    if (signal?.aborted) return signal.reason;
    const { failure } = body?.upload ?? {};
    return failure === undefined
      ? asFetch(error, words)
      : new TypeError(words, { cause: failure.error });
  };
  const payload = encoding.then((encoded): Payload => {
    body = encoded;
    const json = { ...target, ...outgoing, body: encoded.json };
    if (encoded.upload !== undefined) tellOfAbort(encoded.upload, signal);
    return { json: encodeJson(json, "fetch()"), bytes: encoded.bytes };
  });
  // Whether anybody waits for it or not: an engine that is closed does not.
  payload.catch(() => {});
  const answer = new ByteStream<Head>(() => engine.openBytes("forward", payload), signal);
  let head: Head;
  try {
    head = await answer.head();
  } catch (error) {
    payload.then(
      () => body?.upload?.cancel(error),
      () => {},
    );
    throw failed(error, "fetch failed");
  }
  const source: Source<Buffer> = {
    async take() {
      try {
        return await answer.take();
      } catch (error) {
        throw failed(error, "terminated");
      }
    },
    cancel: () => answer.cancel(),
  };
  return responseOf(head, source, outgoing.method);
}

function tellOfAbort(upload: NonNullable<EncodedBody["upload"]>, signal: AbortSignal | undefined) {
  if (signal === undefined) return;
  if (signal.aborted) return upload.cancel(signal.reason);
  const stopListening = onAbort(signal, () => upload.cancel(signal.reason));
  void upload.done.then(stopListening);
}

/** Statuses whose answers have no body: `Response` takes none for them. */
const BODILESS = [101, 204, 205, 304];

function responseOf(head: Head, source: Source<Buffer>, method: string): Response {
  const { status, statusText, headers, url } = head;
  const hasBody = method !== "HEAD" && !BODILESS.includes(status);
  if (!hasBody) void drain(source);
  const body = hasBody ? readableStream(source) : null;
  return from(url, new Response(body, { status, statusText, headers }));
}

/** Reads to an end that is there already. */
async function drain(source: Source<Buffer>): Promise<void> {
  try {
    while ((await source.take()) !== undefined);
  } catch {
    // Nobody asked for a body, so nobody misses one.
  }
}

/** Says where a response came from, for which its constructor has no place. */
function from(url: string, response: Response): Response {
  return Object.defineProperties(response, {
    url: { value: url, configurable: true },
    type: { value: "basic", configurable: true },
    clone: {
      value: () => from(url, Response.prototype.clone.call(response)),
      configurable: true,
      writable: true,
    },
  });
}

/** What of our errors is "no answer" in the words of fetch. The others say why nothing was asked. */
const NETWORK: readonly BYOKErrorCode[] = [
  "PROVIDER_UNAVAILABLE",
  "PROVIDER_ERROR",
  "BAD_RESPONSE",
  "STREAM_INTERRUPTED",
  "TIMEOUT",
];

function asFetch(error: unknown, words: string): unknown {
  if (!(error instanceof BYOKError) || !NETWORK.includes(error.code)) return error;
  return new TypeError(words, { cause: error });
}
