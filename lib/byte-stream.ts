// An answer in bytes, pulled from native code only while somebody waits for it: its head, its pieces,
// and the forms in which callers read them. It knows neither providers nor what the bytes mean.

import { aborted, abortReason, decodeError, type ErrorFields, invalidArgument } from "./errors.js";
import type { NativeByteStream } from "./native.js";
import type { Source } from "./pump.js";
import { onAbort } from "./signal.js";

/** One answer. `H` is what its operation says before the first byte. Cancelled when nothing refers to
 * it any more. */
export class ByteStream<H> implements Source<Buffer> {
  readonly #signal: AbortSignal | undefined;
  #native: NativeByteStream | Promise<NativeByteStream> | undefined;
  #stopListening: (() => void) | undefined;
  #head: Promise<H> | undefined;
  #reader: string | undefined;
  #ended = false;
  #failure: unknown;

  /** @param open - begins the operation; not called when the signal is aborted already */
  constructor(open: () => NativeByteStream | Promise<NativeByteStream>, signal?: AbortSignal) {
    this.#signal = signal;
    try {
      if (signal?.aborted) throw aborted(signal);
      this.#native = open();
    } catch (error) {
      this.#end(error);
      return;
    }
    if (this.#native instanceof Promise) this.#native.catch(() => {});
    if (signal === undefined) return;
    // Weak: a signal that lives long must not keep answers that nobody reads any more.
    const weak = new WeakRef(this);
    this.#stopListening = onAbort(signal, () => weak.deref()?.cancel(aborted(signal)));
  }

  /** Makes the caller the one reader.
   * @throws INVALID_ARGUMENT when there is one already */
  claim(reader: string): void {
    if (this.#reader !== undefined) {
      throw invalidArgument(
        `This answer is already read by ${this.#reader}, and can be read once only. Keep what you need while you read.`,
      );
    }
    this.#reader = reader;
  }

  /** What is known once the answer has begun; rejects with why it did not. */
  head(): Promise<H> {
    this.#head ??= this.#readHead();
    return this.#head;
  }

  /** The bytes that have arrived, as one piece; nothing at the end. One call at a time. */
  async take(): Promise<Buffer[] | undefined> {
    await this.head();
    const native = this.#started();
    const piece = native === undefined ? "" : await this.#guard(native.next());
    if (typeof piece !== "string") return [piece];
    if (piece === "") this.#end(undefined);
    else this.#fail(piece);
    return undefined;
  }

  /** Ends the answer here and at the provider. Nothing happens when it has ended already. */
  cancel(failure: unknown = cancelled()): void {
    if (this.#ended) return;
    const native = this.#native;
    this.#end(failure);
    if (native instanceof Promise) native.then((stream) => stream.cancel()).catch(() => {});
    else native?.cancel();
  }

  async #readHead(): Promise<H> {
    try {
      if (this.#native instanceof Promise) this.#native = await this.#native;
    } catch (error) {
      if (!this.#ended) this.#end(error);
    }
    const native = this.#started();
    if (native === undefined) throw cancelled();
    const envelope = JSON.parse(await this.#guard(native.head())) as
      | { ok: H }
      | { error: ErrorFields };
    if ("error" in envelope) return this.#fail(envelope.error);
    return envelope.ok;
  }

  /** The native stream; nothing at the end.
   * @throws what ended the answer early */
  #started(): NativeByteStream | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#ended ? undefined : (this.#native as NativeByteStream);
  }

  /** An answer that is cancelled while native code works gives its own reason. */
  async #guard<T>(work: Promise<T>): Promise<T> {
    const result = await work;
    if (this.#failure !== undefined) throw this.#failure;
    return result;
  }

  #fail(error: string | ErrorFields): never {
    const fields =
      typeof error === "string" ? (JSON.parse(error) as { error: ErrorFields }).error : error;
    const failure = decodeError(fields, abortReason(fields, this.#signal));
    this.#end(failure);
    throw failure;
  }

  #end(failure: unknown): void {
    this.#ended = true;
    this.#failure = failure;
    this.#native = undefined;
    this.#stopListening?.();
  }
}

/** The bytes as a Web stream that BYOB readers can read too, pulled as they are read. */
export function readableStream(source: Source<Buffer>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const pieces = await source.take();
      // A close that a BYOB reader waits for needs the answer to its request.
      if (pieces === undefined) {
        controller.close();
        controller.byobRequest?.respond(0);
        return;
      }
      for (const piece of pieces) controller.enqueue(piece as Buffer<ArrayBuffer>);
    },
    cancel() {
      source.cancel();
    },
  });
}

function cancelled(): unknown {
  const message =
    "The answer was cancelled before it had ended: by cancel(), by leaving its loop, or by a client that went away.";
  return decodeError({ code: "ABORTED", message });
}
