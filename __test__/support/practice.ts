// The repository's practice provider as a child process, which ends with the test that started it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Practice {
  origin: string;
  openaiKey: string;
  anthropicKey: string;
  geminiKey: string;
}

export interface Recorded {
  method: string;
  path: string;
  headers: Record<string, string>;
  atMs: number;
  peerClosedAtMs?: number;
}

/** Starts a server on a free port of the loopback address; `after` is the test's, to stop it. */
export async function startPractice(
  after: (stop: () => void) => void,
  args: readonly string[] = [],
): Promise<Practice> {
  const name = process.platform === "win32" ? "byok-practice.exe" : "byok-practice";
  const binary = join(__dirname, "../../target/debug", name);
  if (!existsSync(binary)) throw new Error("Build it first: cargo build -p byok-practice");
  const child = spawn(binary, ["--exit-with-stdin", ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  after(() => child.kill());
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  return JSON.parse(line) as Practice;
}

/** What the server was asked, oldest first. */
export async function requestsOf(practice: Practice): Promise<Recorded[]> {
  const response = await fetch(`${practice.origin}/control/requests`);
  const body = (await response.json()) as Recorded[] | { requests: Recorded[] };
  return Array.isArray(body) ? body : body.requests;
}

export interface Stalled {
  path: string;
  peerClosed: boolean;
}

/** The requests that a fault left without an answer, and whether their peer has gone. */
export async function stalledAt(practice: Practice): Promise<Stalled[]> {
  const response = await fetch(`${practice.origin}/control/connections`);
  return ((await response.json()) as { stalled: Stalled[] }).stalled;
}

/** Waits for something that another process is about to do. */
export async function until<T>(look: () => Promise<T | undefined>, limitMs = 5000): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`It did not happen within ${limitMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
