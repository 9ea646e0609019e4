// One worker: it starts work of the case's kind, says so, and is terminated in the middle of it.

import { parentPort } from "node:worker_threads";

import { jsStore, make, prompt, runCase, withKey } from "./setup.mjs";

/** Ten at once. */
function start(work) {
  for (let n = 0; n < 10; n++) void work();
}

async function read(stream) {
  for await (const _ of stream);
}

async function forEver(work) {
  for (;;) await work().catch(() => {});
}

const never = jsStore(() => new Promise(() => {}));

async function answer() {
  const { user } = await withKey();
  const { text } = await user.chat({ prompt });
  parentPort.postMessage(text);
}

await runCase({
  "at once": answer,
  "one after another": answer,
  async "terminated while all is pending"() {
    const { user: silent } = await withKey({ fault: "/fault/stall" });
    const { user: halfway } = await withKey({ fault: "/fault/stall-mid" });
    const { user: waiting } = await withKey({ store: never });
    start(() => silent.chat({ prompt }));
    start(() => silent.chatStream({ prompt }).result);
    start(() => read(halfway.chatStream({ prompt })));
    start(() => waiting.chat({ prompt }));
    parentPort.postMessage("busy");
  },
  async "terminated while all settles"() {
    const { user } = await withKey({ store: jsStore() });
    await withKey({ store: never });
    const timedOut = make({ store: never, callbackTimeoutMs: 2 }).use("u");
    start(() => forEver(() => user.chat({ prompt })));
    start(() => forEver(() => read(user.chatStream({ prompt }))));
    start(() => forEver(() => timedOut.chat({ prompt })));
    parentPort.postMessage("busy");
  },
});
