// When a process ends: by itself as soon as nothing is pending, and without a crash when it is told to.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "byok-ai";

import { failure, jsStore, prompt, runCase, stalled, until, withKey } from "./setup.mjs";

const say = ({ text }) => console.log(text);

async function used(options) {
  const { byok, user } = await withKey(options);
  say(await user.chat({ prompt }));
  return { byok, user };
}

/** Work that no provider will ever end, seen by the server. */
async function inFlight(fault, options) {
  const seen = (await stalled()).length;
  const { byok, user } = await withKey({ fault, ...options });
  const outcome = failure(user.chat({ prompt }));
  await until(async () => (await stalled()).length > seen);
  return { byok, outcome };
}

await runCase({
  "idle, native store": () => used(),
  "idle, JavaScript store": () => used({ store: jsStore() }),
  async "idle, SQLite store"() {
    const folder = mkdtempSync(join(tmpdir(), "byok-ai-"));
    await used({ store: new SqliteStore(join(folder, "keys.sqlite")) });
    process.on("exit", () => rmSync(folder, { recursive: true }));
  },
  async "a pending chat"() {
    const { user } = await withKey({ fault: "/fault/delay,400" });
    user.chat({ prompt }).then(say);
  },
  async "a pending stream"() {
    const { user } = await withKey({ fault: "/fault/delay,400" });
    user.chatStream({ prompt }).result.then(say);
  },
  async "a pending store"() {
    // The timer alone would not keep the process.
    const slow = () => new Promise((resolve) => setTimeout(resolve, 400).unref());
    const { user } = await withKey({ store: jsStore(slow) });
    user.chat({ prompt }).then(say);
  },
  async "a stream that nobody reads"() {
    const { user } = await withKey({ fault: "/fault/stall" });
    user.chatStream({ prompt });
  },
  async closed() {
    const { byok } = await used({ store: jsStore() });
    await byok.close();
  },
  async "closed in mid-flight"() {
    const { byok, outcome } = await inFlight("/fault/stall");
    const stream = byok.use("u").chatStream({ prompt });
    await byok.close();
    console.log((await outcome).code, (await failure(stream.result)).code);
  },
  async "closed while the store works"() {
    const store = jsStore(() => new Promise(() => {}));
    const { byok, user } = await withKey({ store });
    const outcome = failure(user.chat({ prompt }));
    await byok.close();
    console.log((await outcome).code);
  },
  async "exit in mid-flight"() {
    await inFlight("/fault/stall");
    process.exit(7);
  },
  async "exit in mid-stream"() {
    const { user } = await withKey({ fault: "/fault/stall-mid" });
    for await (const _ of user.chatStream({ prompt })) process.exit(7);
  },
  async "exit while the store works"() {
    const { user } = await withKey({
      store: jsStore(() => {
        setImmediate(() => process.exit(7));
        return new Promise(() => {});
      }),
    });
    await user.chat({ prompt });
  },
  async "exit under load"() {
    const { user } = await withKey({ store: jsStore() });
    let done = 0;
    const work = async () => {
      for (;;) {
        await user.chat({ prompt });
        if (++done === 200) process.exit(7);
      }
    };
    await Promise.all(Array.from({ length: 50 }, work));
  },
  async "an exception in mid-flight"() {
    await inFlight("/fault/stall");
    process.on("uncaughtException", () => process.exit(7));
    throw new Error("the application's own");
  },
});
