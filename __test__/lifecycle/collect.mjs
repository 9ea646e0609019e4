// What nobody holds any more is collected, native parts and connections included. Needs --expose-gc.

import { jsStore, make, prompt, runCase, sleep, stalled, until, withKey } from "./setup.mjs";

/** Fewer in debug builds, where an engine takes 40 ms. */
const COUNT = Number(process.argv[4]);
const BATCH = 50;

/** Prints what part of `COUNT` things was collected. */
async function collected(makeOne) {
  let count = 0;
  const registry = new FinalizationRegistry(() => count++);
  for (let made = 0; made < COUNT; made += BATCH) await makeBatch(makeOne, registry);
  for (let round = 0; round < 50 && count < COUNT; round++) {
    globalThis.gc();
    await sleep(10);
  }
  console.log(`${Math.floor((100 * count) / COUNT)} %`);
}

/** Apart, so that no local of a function that waits holds the last batch. */
async function makeBatch(makeOne, registry) {
  const things = await Promise.all(Array.from({ length: BATCH }, makeOne));
  for (const thing of things) registry.register(thing);
}

async function readOnce(user) {
  const stream = user.chatStream({ prompt });
  for await (const _ of stream);
  return stream;
}

await runCase({
  "BYOK, native store": () => collected(() => make()),
  "BYOK, JavaScript store": () => collected(() => make({ store: jsStore() })),
  "BYOK that was used": () =>
    collected(async () => {
      const { byok } = await withKey({ store: jsStore() });
      await byok.listKeys({ userId: "u" });
      return byok;
    }),
  async users() {
    const { byok } = await withKey({ store: jsStore() });
    await collected(async () => {
      const user = byok.use("u");
      await user.capabilities();
      return user;
    });
  },
  async "streams that were read"() {
    const { user } = await withKey({ store: jsStore() });
    await collected(() => readOnce(user));
  },
  async "streams of stores that never answer"() {
    const { user } = await withKey({ store: jsStore(() => new Promise(() => {})) });
    const controller = new AbortController();
    const { signal } = controller;
    await collected(() => user.chatStream({ prompt, signal }));
    controller.abort();
  },
  async "connections of streams that nobody reads"() {
    const seen = (await stalled()).length;
    const { user } = await withKey({ fault: "/fault/stall", store: jsStore() });
    // Kept until they are connected: one that is collected earlier never asks the provider.
    const streams = Array.from({ length: 50 }, () => user.chatStream({ prompt }));
    await until(async () => (await stalled()).length === seen + 50);
    streams.length = 0;
    await until(async () => {
      globalThis.gc();
      return (await stalled()).slice(seen).every(({ peerClosed }) => peerClosed);
    });
    console.log("closed");
  },
});
