// The progress of the command: a bar on a terminal, now and then a line elsewhere, nothing when it is quiet.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Meter } from "../dist/cli/meter.js";

/** What a meter writes while `work` runs; `tick` lets time pass. */
function written(
  t: TestContext,
  isTTY: boolean,
  work: (tick: (ms: number) => void) => void,
): string[] {
  const texts: string[] = [];
  const before = process.stderr.isTTY;
  process.stderr.isTTY = isTTY;
  t.mock.timers.enable({ apis: ["Date"], now: 1_000 });
  const write = t.mock.method(process.stderr, "write", (text: string) => {
    texts.push(text);
    return true;
  });
  try {
    work((ms) => t.mock.timers.tick(ms));
  } finally {
    write.mock.restore();
    t.mock.timers.reset();
    process.stderr.isTTY = before;
  }
  return texts;
}

test("a terminal sees one line that is redrawn, and it is gone at the end", (t) => {
  const texts = written(t, true, (tick) => {
    const meter = new Meter("Rewrapped", false, 1_000_000);
    tick(50);
    meter.update({ done: 10 });
    tick(950);
    meter.update({ done: 250_000 });
    tick(10);
    meter.update({ done: 250_010 });
    tick(1_000);
    meter.update({ done: 1_000_000 });
    meter.clear();
  });
  assert.deepEqual(texts, [
    "\r\x1b[KRewrapped [######------------------] 250,000 of 1,000,000 (25%), 250,000/s, 3 s left",
    "\r\x1b[KRewrapped [########################] 1,000,000 of 1,000,000 (100%), 497,512/s",
    "\r\x1b[K",
  ]);
});

test("anywhere else there is a line every five seconds, without control characters", (t) => {
  const texts = written(t, false, (tick) => {
    const meter = new Meter("Opened", false);
    for (let second = 1; second <= 11; second++) {
      tick(1_000);
      meter.update({ done: second * 100 });
    }
    meter.clear();
  });
  assert.deepEqual(texts, ["Opened 500 records, 100/s\n", "Opened 1,000 records, 100/s\n"]);
});

test("more than was expected is not more than all, and quiet is quiet", (t) => {
  const texts = written(t, true, (tick) => {
    const meter = new Meter("Rewrapped", false, 10);
    tick(1_000);
    meter.update({ done: 12 });
    const quiet = new Meter("Rewrapped", true, 10);
    tick(10_000);
    quiet.update({ done: 5 });
    quiet.clear();
  });
  assert.deepEqual(texts, ["\r\x1b[KRewrapped [########################] 12 of 10 (100%), 12/s"]);
});
