// A third party's server (`@stdy/cli`), which OpenAI's and Anthropic's own SDK suites are tested with:
// it reads an API description and answers 400 to a body with missing or unknown fields.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

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
  const script = join(__dirname, "../../node_modules/@stdy/cli/steady.js");
  const args = ["--port", String(port), "--no-color", "--reject-on-sdk-error", file];
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        said.push(line);
        if (line.includes("Ready to accept requests")) resolve();
      });
    }
    child.once("error", reject);
    child.once("exit", (code) =>
      reject(new Error(`The strict mock ended with ${code}:\n${said.join("\n")}`)),
    );
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill();
      await exited;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await ready;
  } catch (error) {
    await stop();
    throw error;
  }
  return { origin: `http://localhost:${port}`, stop };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
