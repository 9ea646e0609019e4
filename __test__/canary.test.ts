// A key that can be recognised goes through child processes that use it and fail in every way; their
// output, report and heap are searched here for any eight characters of it in a row. Children that keep
// or print their key have to be caught by the same search.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { MASTER, PROVIDERS, type Provider } from "./support/library.js";
import { type Practice, startPractice } from "./support/practice.js";

const CHILD = join(__dirname, "../__test__/canary/child.cjs");
const random = randomBytes(24).toString("hex");
const key = `sk-canary-${random}`;
const stops: (() => void)[] = [];
let practice: Practice;

before(async () => {
  practice = await startPractice((stop) => stops.push(stop), ["--key", key]);
});
after(() => {
  for (const stop of stops) stop();
});

/** The first eight characters in a row of the key's random part that the bytes hold. */
function leak(bytes: Buffer): string | undefined {
  for (let at = 0; at + 8 <= random.length; at++) {
    const window = random.slice(at, at + 8);
    if (bytes.includes(window) || bytes.includes(Buffer.from(window, "utf16le"))) return window;
  }
  return undefined;
}

/** Runs a child and tells where it leaks: `stdout`, `stderr` and the names of files it wrote. */
async function leaksOf(provider: Provider, control: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "byok-canary-"));
  try {
    writeFileSync(join(folder, "key"), key);
    const child = spawn(process.execPath, ["--expose-gc", CHILD], {
      cwd: folder,
      env: {
        ...process.env,
        LIBRARY: join(__dirname, "../dist/index.js"),
        ORIGIN: practice.origin,
        PROVIDER: provider,
        MASTER,
        CONTROL: control,
        NODE_DEBUG: "*",
        RUST_LOG: "trace",
        RUST_BACKTRACE: "full",
      },
      timeout: 100_000,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    const [code] = (await once(child, "close")) as [number];
    const stdout = Buffer.concat(out);
    const stderr = Buffer.concat(err);
    assert.equal(code, 1, `ends by its unhandled rejection:\n${stderr.toString().slice(-2000)}`);
    assert.match(stdout.toString(), /all done/);
    const files = readdirSync(folder).filter((file) => file !== "key");
    assert.deepEqual(files.sort(), ["after.heapsnapshot", "during.heapsnapshot", "report.json"]);
    const places: [string, Buffer][] = [["stdout", stdout]];
    places.push(["stderr", stderr]);
    for (const file of files) places.push([file, readFileSync(join(folder, file))]);
    return places.filter(([, bytes]) => leak(bytes) !== undefined).map(([name]) => name);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const provider of PROVIDERS) {
  test(`${provider}: no output, error, report or heap holds a piece of the key`, async () => {
    assert.deepEqual(await leaksOf(provider, ""), []);
  });
}

test("the search catches a process that keeps its key as a string", async () => {
  assert.deepEqual(await leaksOf("openai", "keep"), ["after.heapsnapshot", "during.heapsnapshot"]);
});

test("the search catches a process that prints a piece of its key", async () => {
  assert.ok((await leaksOf("openai", "print")).includes("stderr"));
});
