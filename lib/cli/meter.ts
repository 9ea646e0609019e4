// How far the work has come: a bar that is redrawn on a terminal, now and then a line anywhere else. It
// goes to standard error.

import type { Progress } from "../types.js";

const BAR_CHARS = 24;
const REDRAW_MS = 100;
const LINE_MS = 5_000;

export class Meter {
  readonly #verb: string;
  readonly #total: number | undefined;
  readonly #quiet: boolean;
  readonly #terminal = process.stderr.isTTY === true;
  readonly #begun = Date.now();
  #shown = this.#begun;
  #drawn = false;

  /**
   * @param verb - what is being done: `Rewrapped`
   * @param total - of how many records; absent when nobody knows
   */
  constructor(verb: string, quiet: boolean, total?: number) {
    this.#verb = verb;
    this.#quiet = quiet;
    this.#total = total;
  }

  readonly update = ({ done }: Progress): void => {
    const now = Date.now();
    if (this.#quiet || now - this.#shown < (this.#terminal ? REDRAW_MS : LINE_MS)) return;
    this.#shown = now;
    const line = `${this.#verb} ${this.#text(done, now)}`;
    if (!this.#terminal) {
      process.stderr.write(`${line}\n`);
      return;
    }
    this.#drawn = true;
    process.stderr.write(`\r\x1b[K${line}`);
  };

  /** Takes the bar away, so that a report can follow. */
  clear(): void {
    if (this.#drawn) process.stderr.write("\r\x1b[K");
    this.#drawn = false;
  }

  #text(done: number, now: number): string {
    const perSecond = Math.round((done * 1_000) / Math.max(1, now - this.#begun));
    const speed = `${perSecond.toLocaleString("en")}/s`;
    if (this.#total === undefined || this.#total === 0) {
      return `${done.toLocaleString("en")} records, ${speed}`;
    }
    const part = Math.min(1, done / this.#total);
    const filled = Math.floor(part * BAR_CHARS);
    const bar = this.#terminal ? `[${"#".repeat(filled)}${"-".repeat(BAR_CHARS - filled)}] ` : "";
    const counts = `${done.toLocaleString("en")} of ${this.#total.toLocaleString("en")}`;
    const left = Math.ceil((this.#total - done) / Math.max(1, perSecond));
    const rest = left > 0 ? `, ${left} s left` : "";
    return `${bar}${counts} (${Math.floor(part * 100)}%), ${speed}${rest}`;
  }
}
