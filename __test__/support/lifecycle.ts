// The lifecycle suite: how processes, workers, collected objects and misbehaving stores end. Each case
// is a child process with a fixture of `lifecycle/`, since a crash must not take the tests with it. It
// runs twice: on the debug build, and on the release build in its place.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type Practice, startPractice } from "./practice.js";

const ROOT = join(__dirname, "../..");
/** A child that takes longer hangs; it is killed, and its signal fails the case. */
const LIMIT_MS = 60_000;

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** How a case must end: its exit code, 0 unless it says another, and what it prints. */
interface Expected {
  code?: number;
  prints?: string | RegExp;
}

const PARIS = /^.*Paris.*\n$/;
const SILENT: Expected = { prints: "" };
const ANSWERED: Expected = { prints: PARIS };
const EXITED: Expected = { code: 7 };
const CLOSED: Expected = { prints: /^closed after [\d.]+ ms\n$/ };
const THOUSAND: Expected = { prints: "1000 1\n" };

const EXIT: Record<string, Expected> = {
  "idle, native store": ANSWERED,
  "idle, JavaScript store": ANSWERED,
  "idle, SQLite store": ANSWERED,
  "a pending chat": ANSWERED,
  "a pending stream": ANSWERED,
  "a pending store": ANSWERED,
  "a stream that nobody reads": SILENT,
  closed: ANSWERED,
  "closed in mid-flight": { prints: "CLOSED CLOSED\n" },
  "closed while the store works": { prints: "CLOSED\n" },
  "exit in mid-flight": EXITED,
  "exit in mid-stream": EXITED,
  "exit while the store works": EXITED,
  "exit under load": EXITED,
  "an exception in mid-flight": EXITED,
};

const WORKERS: Record<string, Expected> = {
  "at once": { prints: /^1 answer of 12 workers\n.*Paris.*\n$/ },
  "one after another": ANSWERED,
  "terminated while all is pending": ANSWERED,
  "terminated while all settles": ANSWERED,
};

const COLLECTED: Expected = { prints: /^(9[5-9]|100) %\n$/ };
const COLLECT: Record<string, Expected> = {
  "BYOK, native store": COLLECTED,
  "BYOK, JavaScript store": COLLECTED,
  "BYOK that was used": COLLECTED,
  users: COLLECTED,
  "streams that were read": COLLECTED,
  "streams of stores that never answer": COLLECTED,
  "connections of streams that nobody reads": { prints: "closed\n" },
};

const ABORT: Record<string, Expected> = {
  "aborted already": SILENT,
  "while the store works": SILENT,
  "while the master key loads": SILENT,
  "while the provider is silent": CLOSED,
  "while a stream is silent": CLOSED,
  "after the end": SILENT,
  "cancel() before the answer": CLOSED,
  "leaving a loop": CLOSED,
  "cancelling a response's body": CLOSED,
  "cancelling a response's body during a read": CLOSED,
};

const STORE: Record<string, Expected> = {
  "never settles": SILENT,
  "never settles, at close()": SILENT,
  "settles late": SILENT,
  "rejects with anything": SILENT,
  "throws synchronously": SILENT,
  "gives thenables": SILENT,
  "gives other types": SILENT,
  "gives metadata that is no JSON": SILENT,
};

const LOAD: Record<string, Expected> = {
  "a thousand calls, native store": THOUSAND,
  "a thousand calls, JavaScript store": THOUSAND,
  "a thousand streams": THOUSAND,
  "failures that nobody looks at": { prints: "quiet\n" },
};

/** Panics that debug builds have on request; what they say must not show. */
const PANICS: Record<string, Expected> = {
  "a panic in a call": { prints: /^INTERNAL byok-ai failed inside\./ },
  "a panic in a stream": { prints: /^INTERNAL byok-ai failed inside\./ },
  "a panic in a synchronous export": { prints: /^INTERNAL byok-ai failed inside\./ },
};
const PANIC_TEXT = "what a panic says";

/** Registers the suite for the addon that is in place. */
export function lifecycleSuite(build: "debug" | "release"): void {
  const count = build === "debug" ? 100 : 500;
  const cases = (title: string, fixture: string, table: Record<string, Expected>) =>
    suite(title, () => {
      let practice: Practice;
      const cleanups: (() => void)[] = [];
      before(async () => {
        practice = await startPractice((stop) => cleanups.push(stop));
      });
      after(() => {
        for (const stop of cleanups) stop();
      });
      for (const [name, { code = 0, prints }] of Object.entries(table)) {
        test(name, async (t) => {
          const ended = await run(fixture, [name, JSON.stringify(practice), String(count)]);
          const story = JSON.stringify(ended);
          assert.equal(ended.signal, null, story);
          assert.equal(ended.code, code, story);
          assert.equal(ended.stderr, "", story);
          if (typeof prints === "string") assert.equal(ended.stdout, prints);
          if (prints instanceof RegExp) assert.match(ended.stdout, prints);
          assert.ok(!story.includes(PANIC_TEXT));
          if (/ (ms|%)\n$/.test(ended.stdout)) t.diagnostic(ended.stdout.trim());
        });
      }
    });

  cases("a process ends", "exit", EXIT);
  cases("a worker ends", "workers", WORKERS);
  cases("collected", "collect", COLLECT);
  cases("a call is ended early", "abort", ABORT);
  cases("a store misbehaves", "store", STORE);
  cases("many at once and failures unseen", "load", LOAD);
  if (build === "debug") cases("a panic is an error", "load", PANICS);
  else test("a release build unwinds, so that a panic can be caught", releaseUnwinds);
}

function releaseUnwinds(): void {
  const manifest = readFileSync(join(ROOT, "Cargo.toml"), "utf8");
  const profile = manifest.split("[profile.release]")[1]?.split("\n[")[0] ?? "";
  assert.match(profile, /^panic = "unwind"$/m);
}

async function run(fixture: string, args: string[]): Promise<Ended> {
  const file = join(ROOT, "__test__/lifecycle", `${fixture}.mjs`);
  const child = spawn(process.execPath, ["--expose-gc", file, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  const ended: Ended = { code: null, signal: null, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    ended.stderr += text;
  });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ ...ended, code, signal }));
  });
}
