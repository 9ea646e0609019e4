// A third party's server (`@stdy/cli`), which OpenAI's and Anthropic's own SDK suites are tested with:
// it reads an API description and answers 400 to a body with missing or unknown fields.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

export interface StrictMock {
  origin: string;
  stop(): Promise<void>;
}

/** Serves the description, JSON text. */
export async function startStrictMock(description: string): Promise<StrictMock> {
  const folder = mkdtempSync(join(tmpdir(), "byok-ai-spec-"));
  const file = join(folder, "openapi.json");
  writeFileSync(file, description);
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const script = join(__dirname, "../../node_modules/@stdy/cli/steady.js");
  const args = ["--port", String(port), "--no-color", "--reject-on-sdk-error", file];
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => said.push(line));
  }
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill();
      await exited;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await answers(origin, child, said);
  } catch (error) {
    await stop();
    throw error;
  }
  return { origin, stop };
}

/** Waits until the server answers, whatever it says: its own words about that may stay in a buffer. */
async function answers(origin: string, child: ChildProcess, said: string[]): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null) {
      throw new Error(`The strict mock ended with ${child.exitCode}:\n${said.join("\n")}`);
    }
    const answer = await fetch(origin).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer) return;
    await setTimeout(100);
  }
  throw new Error(`The strict mock did not start within a minute:\n${said.join("\n")}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
