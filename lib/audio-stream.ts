// Streamed audio in the forms that callers want: pieces, a Web stream, or a Response.

import { inspect } from "node:util";
import { type ByteStream, readableStream } from "./byte-stream.js";
import { Cursor } from "./cursor.js";
import type { AudioInfo } from "./types.js";

/**
 * What `textToSpeechStream` returns, at once. The request is under way; nothing throws until it is
 * read. It can be read once.
 *
 * @example
 * ```ts
 * const stream = byok.use("user_123").textToSpeechStream({ text: "Hello!" });
 * for await (const piece of stream) response.write(piece);
 * ```
 */
export class AudioStream implements AsyncIterable<Buffer>, AsyncDisposable {
  readonly #bytes: ByteStream<AudioInfo>;

  /** @internal */
  constructor(bytes: ByteStream<AudioInfo>) {
    this.#bytes = bytes;
  }

  /** The audio as it arrives. Throws when it breaks off. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    this.#bytes.claim("a loop over it");
    return new Cursor(this.#bytes, (piece) => piece);
  }

  /** Format, provider and model, once the first audio has arrived; rejects with why there is none. */
  get info(): Promise<AudioInfo> {
    return this.#bytes.head();
  }

  /** The audio as a Web stream, pulled as it is read. */
  toReadableStream(): ReadableStream<Uint8Array> {
    this.#bytes.claim("toReadableStream()");
    return readableStream(this.#bytes);
  }

  /** A `Response` to return from a route, once the format is known. When the client goes away, the request to
   * the provider is cancelled.
   * @throws BYOKError why there is no audio */
  async toResponse(init?: ResponseInit): Promise<Response> {
    const { contentType } = await this.info;
    const headers = new Headers(init?.headers);
    if (!headers.has("content-type")) headers.set("content-type", contentType);
    return new Response(this.toReadableStream(), { ...init, headers });
  }

  /** Ends the stream and the request. Nothing happens when it has ended already. */
  cancel(): void {
    this.#bytes.cancel();
  }

  /** The same as `cancel()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#bytes.cancel();
  }

  /** @internal */
  [inspect.custom](): string {
    return "AudioStream {}";
  }
}
