// A native stream that somebody listens to: the same methods, and the call's end is told.

import { decodeError, type ErrorFields } from "../errors.js";
import type { NativeByteStream, NativeStream } from "../native.js";
import type { UsageEvent } from "../types.js";
import type { Observed } from "./observer.js";

interface Batch {
  ok?: { result?: unknown };
  error?: ErrorFields;
  attempts?: UsageEvent[];
}

export class ObservedStream implements NativeStream {
  readonly #stream: NativeStream;
  readonly #observed: Observed;

  constructor(stream: NativeStream, observed: Observed) {
    this.#stream = stream;
    this.#observed = observed;
  }

  async next(): Promise<string> {
    const text = await this.#stream.next();
    // The last batch alone has attempts.
    if (!text.includes('"attempts":')) return text;
    const batch = JSON.parse(text) as Batch;
    if (batch.error !== undefined) {
      this.#observed.failed(shown(batch.error), batch.attempts ?? []);
    } else if (batch.ok?.result !== undefined && batch.attempts !== undefined) {
      const { result } = batch.ok;
      this.#observed.succeeded(result, batch.attempts, () => JSON.stringify(result));
    }
    return text;
  }

  cancel(): void {
    this.#stream.cancel();
    this.#observed.failed(abandoned(), []);
  }
}

export class ObservedBytes implements NativeByteStream {
  readonly #stream: NativeByteStream;
  readonly #observed: Observed;
  #head: unknown;

  constructor(stream: NativeByteStream, observed: Observed) {
    this.#stream = stream;
    this.#observed = observed;
  }

  async head(): Promise<string> {
    const text = await this.#stream.head();
    const head = JSON.parse(text) as Batch;
    if (head.error !== undefined) this.#observed.failed(shown(head.error), head.attempts ?? []);
    else this.#head = head.ok;
    return text;
  }

  async next(): Promise<Buffer | string> {
    const piece = await this.#stream.next();
    if (piece === "") this.#observed.succeeded(this.#head, []);
    else if (typeof piece === "string") {
      const { error } = JSON.parse(piece) as Batch;
      if (error !== undefined) this.#observed.failed(shown(error), []);
    }
    return piece;
  }

  cancel(): void {
    this.#stream.cancel();
    this.#observed.failed(abandoned(), []);
  }
}

/** The reader decodes the error itself, and takes its cause then. */
function shown({ causeId: _taken, ...fields }: ErrorFields) {
  return decodeError(fields);
}

function abandoned() {
  return decodeError({ code: "ABORTED", message: "The stream was abandoned before its end." });
}
