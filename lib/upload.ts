// Carries bytes from whatever JavaScript has them in to a native request: one piece at a time, and
// none before there is room for it. It knows nothing of requests but the number that names an upload.

import { decodeEnvelope, invalidArgument } from "./errors.js";
import type { NativeUpload } from "./native.js";

/** Where an upload's bytes come from. Iterables may also give strings, which are sent as UTF-8. */
export type UploadSource = ReadableStream<Uint8Array> | AsyncIterable<unknown> | Blob;

/** A source as an upload reads it. */
export interface PieceReader {
  /** The next bytes; nothing at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** Nothing more is wanted. */
  cancel(reason: unknown): Promise<unknown>;
}

/** Larger pieces are cut: each is copied on its way, and waits as a whole. */
const PIECE_BYTES = 256 * 1024;

/** An upload under way. A request's JSON names it by `{ "$upload": id }`. */
export class Upload {
  readonly id: number;
  /** Settles when nothing more is read from the source. Never rejects. */
  readonly done: Promise<void>;
  readonly #native: NativeUpload;
  readonly #reader: PieceReader;
  #failure: { error: unknown } | undefined;
  #stopped = false;

  /**
   * Begins to read.
   *
   * @param native - `engine.upload(length)`
   */
  constructor(native: NativeUpload, reader: PieceReader) {
    this.#reader = reader;
    this.#native = native;
    this.id = native.id;
    this.done = this.#pump();
  }

  /** What the source threw, when that is what ended the upload. */
  get failure(): { error: unknown } | undefined {
    return this.#failure;
  }

  /** The request is over or will not be: stops reading, and tells the source why. */
  cancel(reason?: unknown): void {
    if (this.#stopped) return;
    this.#stop(reason);
    this.#native.fail("The upload was cancelled.");
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const piece = await this.#reader.read();
        if (this.#stopped) return;
        if (piece === undefined) {
          this.#stopped = true;
          return this.#native.end();
        }
        if (!(await this.#write(piece))) return this.#stop(undefined);
      }
    } catch (error) {
      if (this.#stopped) return;
      this.#failure = { error };
      this.#stopped = true;
      this.#native.fail("The body could not be read to its end; the cause says why.");
    }
  }

  /** False when nobody wants any more. */
  async #write(piece: Uint8Array): Promise<boolean> {
    for (let start = 0; start < piece.length; start += PIECE_BYTES) {
      const taken = this.#native.write(piece.subarray(start, start + PIECE_BYTES));
      const goingOn = typeof taken === "boolean" ? taken : decodeEnvelope<boolean>(await taken);
      if (!goingOn || this.#stopped) return false;
    }
    return true;
  }

  #stop(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // The source's own trouble with being cancelled interests nobody.
    this.#reader.cancel(reason).catch(() => {});
  }
}

/** @throws TypeError for a stream that is locked */
export function readerOf(source: UploadSource): PieceReader {
  const stream = source instanceof Blob ? source.stream() : source;
  if (stream instanceof ReadableStream) {
    const reader = stream.getReader();
    return {
      async read() {
        const { done, value } = await reader.read();
        return done ? undefined : bytesOf(value, false);
      },
      cancel: (reason) => reader.cancel(reason),
    };
  }
  const iterator = stream[Symbol.asyncIterator]();
  return {
    async read() {
      const { done, value } = await iterator.next();
      return done ? undefined : bytesOf(value, true);
    },
    cancel: async () => iterator.return?.(),
  };
}

function bytesOf(value: unknown, mayBeText: boolean): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (mayBeText) {
    if (typeof value === "string") return new TextEncoder().encode(value);
    if (ArrayBuffer.isView(value))
      return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
  }
  throw invalidArgument("A body's stream must give Uint8Arrays.");
}
