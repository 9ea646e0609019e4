// An async iterator over a pump: events of a batch are handed on without waiting for anything.

import type { Source } from "./pump.js";

export class Cursor<E, T> implements AsyncIterableIterator<T> {
  readonly #source: Source<E>;
  /** What to hand on of an event; undefined skips it. */
  readonly #pick: (event: E) => T | undefined;
  #batch: E[] = [];
  #index = 0;
  #done = false;
  /** Calls of `next` that wait, and the last of them: they are served in order. */
  #waiting = 0;
  #last: Promise<unknown> | undefined;

  constructor(source: Source<E>, pick: (event: E) => T | undefined) {
    this.#source = source;
    this.#pick = pick;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting === 0) {
      const value = this.#scan();
      if (value !== undefined) return Promise.resolve({ done: false, value });
    }
    const turn = this.#wait(this.#last);
    this.#last = turn;
    return turn;
  }

  /** What `break` calls: ends the stream at the provider too. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#done = true;
    this.#batch = [];
    this.#source.cancel();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #scan(): T | undefined {
    while (this.#index < this.#batch.length) {
      const value = this.#pick(this.#batch[this.#index++] as E);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  async #wait(previous: Promise<unknown> | undefined): Promise<IteratorResult<T, undefined>> {
    this.#waiting++;
    try {
      if (this.#waiting > 1) await previous?.catch(() => {});
      while (!this.#done) {
        const value = this.#scan();
        if (value !== undefined) return { done: false, value };
        const batch = await this.#take();
        if (batch === undefined || this.#done) break;
        this.#batch = batch;
        this.#index = 0;
      }
      this.#done = true;
      return { done: true, value: undefined };
    } finally {
      this.#waiting--;
      if (this.#waiting === 0) this.#last = undefined;
    }
  }

  /** An error ends the iteration; one that `return` caused is no news. */
  async #take(): Promise<E[] | undefined> {
    try {
      return await this.#source.take();
    } catch (error) {
      if (this.#done) return undefined;
      this.#done = true;
      throw error;
    }
  }
}
