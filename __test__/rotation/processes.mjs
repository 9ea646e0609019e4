// Child processes that do a job of `worker.mjs`, and what they say.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const WORKER = join(import.meta.dirname, "worker.mjs");

export class Process {
  lines = [];
  #child;
  #ended;
  #stderr = "";

  /** @param onLine - called with each line as it comes */
  constructor(job, onLine = () => {}) {
    this.#child = spawn(process.execPath, ["--expose-gc", WORKER, JSON.stringify(job)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#stderr += text;
    });
    createInterface({ input: this.#child.stdout }).on("line", (text) => {
      const line = JSON.parse(text);
      this.lines.push(line);
      onLine(line);
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code, signal) => resolve({ code, signal }));
    });
  }

  kill() {
    this.#child.kill("SIGKILL");
  }

  /** Tells one that goes on until it is told. */
  tell() {
    this.#child.stdin.end();
  }

  /** How it ended: `{ code, signal }`. */
  get ended() {
    return this.#ended;
  }

  /** What it said last; throws when it did not end well. */
  async result() {
    const { code, signal } = await this.#ended;
    if (code !== 0) throw new Error(`The process ended with ${code ?? signal}: ${this.#stderr}`);
    return this.lines.at(-1);
  }
}
