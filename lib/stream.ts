// A streamed answer in every form that callers want: events, texts, the whole result, bytes, or a
// Response. All forms read one pump, so nothing is pulled from the provider before it is asked for.

import { inspect } from "node:util";
import { Cursor } from "./cursor.js";
import { BYOKError } from "./errors.js";
import type { Pump, Source } from "./pump.js";
import type { ChatEvent, ChatResult } from "./types.js";

/** An event as native code writes it: most are pieces of text, which come as bare strings. */
export type WireEvent = string | Exclude<ChatEvent, { type: "text-delta" }>;

/**
 * What `chatStream` returns, at once. The request is under way; nothing throws until it is read.
 *
 * It can be read once: by a loop over it, by `textStream`, `toReadableStream()` or `toResponse()`.
 * `result` stands beside that and may be awaited before, during, after or without reading. Leaving a
 * loop, `cancel()`, a client that goes away and the request's `signal` close the connection to the
 * provider. A stream that breaks off in the middle is an error in every form, never a short answer.
 *
 * @example
 * ```ts
 * const stream = byok.use("user_123").chatStream({ prompt: "Tell me a story." });
 * for await (const text of stream.textStream) process.stdout.write(text);
 * const { usage } = await stream.result;
 * ```
 */
export class ChatStream<T = unknown> implements AsyncIterable<ChatEvent>, AsyncDisposable {
  readonly #pump: Pump<WireEvent, ChatResult<T>>;

  /** @internal */
  constructor(pump: Pump<WireEvent, ChatResult<T>>) {
    this.#pump = pump;
  }

  /** Every event in order. `finish` is the last; without it the iteration throws. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChatEvent> {
    this.#pump.claim("a loop over its events");
    return new Cursor(this.#pump, eventOf);
  }

  /** The text alone, piece by piece. */
  get textStream(): AsyncIterable<string> {
    const pump = this.#pump;
    return {
      [Symbol.asyncIterator]() {
        pump.claim("a loop over textStream");
        return new Cursor(pump, textOf);
      },
    };
  }

  /**
   * The whole answer, once the stream has ended; rejects with what ended it early. When nobody reads
   * the stream, asking for this does. When somebody does, it waits for them: it settles once they
   * have read to the end, left, or failed.
   */
  get result(): Promise<ChatResult<T>> {
    this.#pump.drain();
    return this.#pump.result;
  }

  /**
   * The events as bytes, one JSON text a line (NDJSON), pulled as they are read. An error errors the
   * stream. For the events themselves as a Web stream: `ReadableStream.from(stream)`.
   */
  toReadableStream(): ReadableStream<Uint8Array> {
    this.#pump.claim("toReadableStream()");
    return byteStream(this.#pump, (event) => `${JSON.stringify(event)}\n`);
  }

  /**
   * A `Response` to return from a route: server-sent events, one unnamed event per `ChatEvent` with its
   * JSON as `data`. The last is `finish`. Since the status is 200 before the provider has answered, an
   * error becomes an event named `error` whose data has `type: "error"`, `code` and `message`, and
   * nothing else; a client that sees neither must treat the answer as cut off. When the client goes
   * away, the request to the provider is cancelled.
   *
   * @param init - status and headers; yours win over `content-type`, `cache-control` and `x-accel-buffering`
   */
  toResponse(init?: ResponseInit): Response {
    this.#pump.claim("toResponse()");
    const body = byteStream(this.#pump, sse, (error) => {
      const { code, message } =
        error instanceof BYOKError ? error : { code: "INTERNAL", message: "The stream failed." };
      return `event: error\n${sse({ type: "error", code, message })}`;
    });
    const headers = new Headers(init?.headers);
    for (const [name, value] of SSE_HEADERS) if (!headers.has(name)) headers.set(name, value);
    return new Response(body, { ...init, headers });
  }

  /** Ends the stream and the request. Whoever reads gets `ABORTED`, and so does `result`. Nothing
   * happens when it has ended already. */
  cancel(): void {
    this.#pump.cancel();
  }

  /** The same as `cancel()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#pump.cancel();
  }

  /** @internal */
  [inspect.custom](): string {
    return "ChatStream {}";
  }
}

/** No proxy may keep, compress or collect what should arrive piece by piece. */
const SSE_HEADERS = [
  ["content-type", "text/event-stream"],
  ["cache-control", "no-cache, no-transform"],
  ["x-accel-buffering", "no"],
] as const;

function eventOf(event: WireEvent): ChatEvent {
  return typeof event === "string" ? { type: "text-delta", text: event } : event;
}

function textOf(event: WireEvent): string | undefined {
  return typeof event === "string" ? event : undefined;
}

function sse(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** One chunk a batch, pulled only while somebody waits for it.
 * @param last - what to send for an error; without it, the error errors the stream */
function byteStream(
  source: Source<WireEvent>,
  encode: (event: ChatEvent) => string,
  last?: (error: unknown) => string,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const batch = await source.take();
          if (batch === undefined) return controller.close();
          controller.enqueue(encoder.encode(batch.map((event) => encode(eventOf(event))).join("")));
        } catch (error) {
          if (last === undefined) throw error;
          controller.enqueue(encoder.encode(last(error)));
          controller.close();
        }
      },
      cancel() {
        source.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}
