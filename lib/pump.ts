// Pulls batches of events out of a native stream, one at a time and only when somebody waits for
// them, and settles the stream's result. It knows who may read, but not how events are shown.

import {
  aborted,
  abortReason,
  type BYOKError,
  decodeError,
  type ErrorFields,
  invalidArgument,
} from "./errors.js";
import type { NativeStream } from "./native.js";
import { onAbort } from "./signal.js";

type Envelope<E, R> = { ok: { events: E[]; result?: R } } | { error: ErrorFields };

/** What a reader needs of a pump. */
export interface Source<E> {
  /** The next events, never an empty batch; nothing at the end. Throws what ended the stream. */
  take(): Promise<E[] | undefined>;
  cancel(): void;
}

export class Pump<E, R> implements Source<E> {
  /** Settles with the stream; a rejection that nobody looks at is no unhandled one. */
  readonly result: Promise<R>;
  readonly #resolve: (result: R) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  #stopListening: (() => void) | undefined;
  #source: NativeStream | Promise<NativeStream> | undefined;
  /** Batches that arrived while only the result was wanted, or beside a reader. */
  readonly #queue: E[][] = [];
  #filling: Promise<void> | undefined;
  #draining = false;
  #reader: string | undefined;
  #ended = false;
  #failure: unknown;

  /** @param open - begins the stream; not called when the signal is aborted already */
  constructor(open: () => NativeStream | Promise<NativeStream>, signal?: AbortSignal) {
    let resolve: (result: R) => void = () => {};
    let reject: (error: unknown) => void = () => {};
    this.result = new Promise<R>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    this.result.catch(() => {});
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    try {
      if (signal?.aborted) throw aborted(signal);
      this.#source = open();
    } catch (error) {
      this.#end(error);
      return;
    }
    if (this.#source instanceof Promise) this.#source.catch(() => {});
    if (signal === undefined) return;
    // Weak: a signal that lives long must not keep streams that nobody reads any more.
    const weak = new WeakRef(this);
    this.#stopListening = onAbort(signal, () => weak.deref()?.cancel(aborted(signal)));
  }

  /** Makes the caller the one reader.
   * @throws INVALID_ARGUMENT when there is one already */
  claim(reader: string): void {
    if (this.#reader !== undefined) {
      throw invalidArgument(
        `This stream is already read by ${this.#reader}, and can be read once only. Keep what you need while you read, or await stream.result.`,
      );
    }
    this.#reader = reader;
  }

  async take(): Promise<E[] | undefined> {
    for (;;) {
      const batch = this.#queue.shift();
      if (batch !== undefined) return batch;
      if (this.#ended) {
        if (this.#failure !== undefined) throw this.#failure;
        return undefined;
      }
      this.#filling ??= this.#fill();
      await this.#filling;
    }
  }

  /** Reads on for the result's sake, for as long as there is no reader. What arrives is kept for one
   * that comes later. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    void this.#drain();
  }

  /** Ends the stream here and at the provider. Nothing happens when it has ended already. */
  cancel(failure: BYOKError = cancelled()): void {
    if (this.#ended) return;
    const source = this.#source;
    this.#queue.length = 0;
    this.#end(failure);
    if (source instanceof Promise) source.then((stream) => stream.cancel()).catch(() => {});
    else source?.cancel();
  }

  async #drain(): Promise<void> {
    while (!this.#ended && this.#reader === undefined) {
      this.#filling ??= this.#fill();
      await this.#filling;
    }
  }

  /** One batch, or the end. Never rejects: a failure is kept for whoever reads. */
  async #fill(): Promise<void> {
    try {
      if (this.#source instanceof Promise) {
        const source = await this.#source;
        if (this.#ended) return;
        this.#source = source;
      }
      const text = await this.#source?.next();
      if (this.#ended || text === undefined) return;
      const envelope = JSON.parse(text) as Envelope<E, R>;
      if ("error" in envelope) {
        throw decodeError(envelope.error, abortReason(envelope.error, this.#signal));
      }
      const { events, result } = envelope.ok;
      if (events.length > 0) this.#queue.push(events);
      if (result === undefined) return;
      this.#resolve(result);
      this.#end(undefined);
    } catch (error) {
      if (!this.#ended) this.#end(error);
    } finally {
      this.#filling = undefined;
    }
  }

  #end(failure: unknown): void {
    this.#ended = true;
    this.#failure = failure;
    this.#source = undefined;
    if (failure !== undefined) this.#reject(failure);
    this.#stopListening?.();
  }
}

function cancelled(): BYOKError {
  const message =
    "The stream was cancelled before it had ended: by cancel(), by leaving its loop, or by a client that went away.";
  return decodeError({ code: "ABORTED", message });
}
