// Workers that load the addon, and that are terminated while native work of theirs is under way.

import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { prompt, runCase, sleep, withKey } from "./setup.mjs";

const AT_ONCE = 6;
const start = () =>
  new Worker(new URL("./worker.mjs", import.meta.url), { argv: process.argv.slice(2) });

async function terminated(n) {
  const worker = start();
  await once(worker, "message");
  await sleep(n % 8);
  await worker.terminate();
}

async function finished() {
  const worker = start();
  const ended = once(worker, "exit");
  const [text] = await once(worker, "message");
  const [code] = await ended;
  if (code !== 0) throw new Error(`A worker's exit code was ${code}.`);
  return text;
}

/** In the main thread, where the addon was not loaded before. */
async function stillWorks() {
  const { user } = await withKey();
  console.log((await user.chat({ prompt })).text);
}

async function terminateAll(count) {
  let next = 0;
  const lane = async () => {
    while (next < count) await terminated(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  await stillWorks();
}

await runCase({
  async "at once"() {
    const texts = await Promise.all(Array.from({ length: 12 }, finished));
    console.log(`${new Set(texts).size} answer of 12 workers`);
    await stillWorks();
  },
  async "one after another"() {
    for (let n = 0; n < 5; n++) await finished();
    await stillWorks();
  },
  "terminated while all is pending": () => terminateAll(60),
  "terminated while all settles": () => terminateAll(30),
});
