// Starts the repository's practice provider and waits until it listens. It ends with this process.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { root } from "./prepare.mjs";

/**
 * @param {{ args?: string[], release?: boolean }} [options]
 * @returns {Promise<{ origin: string, port: number, openaiKey: string, anthropicKey: string, geminiKey: string, pid: number, stop(): Promise<void> }>}
 */
export async function startPractice({ args = [], release = false } = {}) {
  const name = process.platform === "win32" ? "byok-practice.exe" : "byok-practice";
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  const file = join(target, release ? "release" : "debug", name);
  const child = spawn(file, ["--port", "0", "--exit-with-stdin", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const ready = new Promise((resolve, reject) => {
    child.once("error", (error) =>
      reject(
        new Error(`${file} could not be started. Build it with: cargo build -p byok-practice`, {
          cause: error,
        }),
      ),
    );
    child.once("exit", (code) =>
      reject(new Error(`The practice provider ended at once (exit code ${code}).`)),
    );
    createInterface({ input: child.stdout }).once("line", (line) => resolve(JSON.parse(line)));
  });
  const info = await ready;
  child.unref();
  child.stdin.unref?.();
  child.stdout.unref?.();
  return {
    ...info,
    pid: child.pid,
    async stop() {
      child.ref();
      child.stdin.end();
      await exited;
    },
  };
}
