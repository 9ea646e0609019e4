// Uses one key in every way that succeeds or fails, shows everything it gets, writes its heap and its
// report, and ends by an unhandled rejection. Run by canary.test.ts in a folder with a file `key`.

const { readFileSync, writeFileSync } = require("node:fs");
const { inspect } = require("node:util");
const { writeHeapSnapshot } = require("node:v8");

const { LIBRARY, ORIGIN, PROVIDER, MASTER, CONTROL } = process.env;
const { BYOK, MemoryStore } = require(LIBRARY);

const PATHS = { openai: "/openai/v1", anthropic: "/anthropic", gemini: "/gemini/v1beta" };
const FAULTS = [
  "status,400",
  "status,401",
  "status,403",
  "status,429,0",
  "status,500",
  "reset",
  "reset-mid",
  "close-mid",
  "truncated-json",
  "invalid-utf8",
  "stall",
  "error-mid",
  "no-end-mark",
  "redirect,307,http:%2F%2F127.0.0.1:9%2F",
];
const alive = [];
const prompt = "one two three";

function look(value) {
  const views = [inspect(value, { depth: Infinity, showHidden: true }), String(value?.stack)];
  views.push(JSON.stringify(value) ?? "");
  try {
    views.push(inspect(structuredClone(value), { depth: Infinity }));
  } catch (error) {
    views.push(String(error)); // objects with methods can't be cloned
  }
  console.log(views.join("\n"));
}

/** The library against one fault; the key is read as bytes, which the library wipes. */
function open(fault, masterKey = MASTER, store = new MemoryStore()) {
  const options = {
    baseURL: ORIGIN + (fault && `/fault/${fault}`) + PATHS[PROVIDER],
    allowPrivateNetwork: true,
    maxRetries: 0,
    timeoutMs: 400,
  };
  const byok = new BYOK({ masterKey, store, providers: { [PROVIDER]: options } });
  const register = (validate) =>
    byok.registerKey({ userId: "u", provider: PROVIDER, apiKey: readFileSync("key"), validate });
  alive.push(byok, store);
  return { byok, store, register, user: byok.use("u") };
}

async function use(fault) {
  const { byok, store, register, user } = open(fault);
  await register("live").then(look, look);
  look(await register("format"));
  await user.chat({ prompt }).then(look, look);
  const stream = user.chatStream({ prompt });
  await stream.result.then(look, look);
  await byok.verifyKey({ userId: "u", provider: PROVIDER }).then(look, look);
  for (const thing of [byok, user, store, stream, await byok.listKeys({ userId: "u" })])
    look(thing);
  alive.push(user, stream);
}

async function main() {
  if (CONTROL === "keep") globalThis.kept = readFileSync("key", "latin1");
  if (CONTROL === "print") console.error(readFileSync("key", "latin1").slice(-12, -2));
  await use("");
  for (const fault of FAULTS) await use(fault);

  // A key that can't be opened, and one that is refused as it is no key at all.
  const { register, store } = open("");
  await register("format");
  const stranger = open("", `${"A".repeat(42)}E=`, store);
  await stranger.user.chat({ prompt }).then(look, look);
  const bad = Buffer.concat([readFileSync("key"), Buffer.from("\n x")]);
  await stranger.byok
    .registerKey({ userId: "u", provider: PROVIDER, apiKey: bad })
    .then(look, look);

  const busy = open("");
  await busy.register("format");
  for (let n = 0; n < 20; n++) await busy.user.chat({ prompt });
  const stalled = open("stall");
  await stalled.register("format");
  const abort = new AbortController();
  const pending = stalled.user.chat({ prompt, signal: abort.signal });
  pending.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 50));
  writeHeapSnapshot("during.heapsnapshot");
  abort.abort(new Error("enough"));
  await pending.then(look, look);
  globalThis.gc();
  writeHeapSnapshot("after.heapsnapshot");
  writeFileSync("report.json", JSON.stringify(process.report.getReport()));
  console.log("all done", alive.length);
  const refused = open("status,401");
  await refused.register("format");
  refused.user.chat({ prompt }); // nobody handles it: Node.js prints it and ends with code 1
}

main();
