// One process of the rotation's tests. Its argument is JSON: what to do, on which store, under which
// keys. It writes JSON lines; those that go on until they are told end when standard input does.

import { writeSync } from "node:fs";
import { BYOK } from "byok-ai";
import { open } from "../support/reference-vault.mjs";
import { openStore } from "./stores.mjs";

const job = JSON.parse(process.argv[2]);
const { store, end } = await openStore(job.place);
const masterKeys = { current: job.current, previous: job.previous ?? [] };

/** Synchronous, so that a line that was written is there even when the process is killed next. */
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

let told = false;
process.stdin.on("end", () => {
  told = true;
});
process.stdin.resume();

const JOBS = { rewrap, read, change };
await JOBS[job.do]();
process.stdin.destroy();
await end();

/** Rotates; says how far it is, what came out and by how much the process grew: over what it was before,
 * and over what it was once a tenth was done. A process that begins to work fills V8's young generation
 * and touches the addon's pages, however little work there is. */
async function rewrap() {
  const byok = new BYOK({ masterKeys, store: job.count ? counted(store) : store });
  await Promise.all(Array.from({ length: 8 }, () => store.get(idOf(0))));
  global.gc?.();
  const before = process.memoryUsage.rss();
  let [tenth, most] = [0, before];
  const sampling = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  const { batchSize, concurrency } = job;
  const onProgress = ({ done }) => {
    if (tenth === 0 && done >= job.records / 10) tenth = process.memoryUsage.rss();
  };
  const report = await byok.rewrapKeys({ batchSize, concurrency, onProgress });
  clearInterval(sampling);
  most = Math.max(most, process.memoryUsage.rss());
  say({ report, grew: { fromTheStart: most - before, fromATenth: most - (tenth || before) } });
  await byok.close();
}

/** Says how many records are handed over to be written, before they are. */
function counted(inner) {
  const proxy = {};
  for (const name of ["get", "set", "delete", "list", "replace", "scan", "close"]) {
    if (inner[name]) proxy[name] = (...given) => inner[name](...given);
  }
  proxy.replaceMany = async (items) => {
    say({ handed: items.length });
    if (inner.replaceMany) return inner.replaceMany(items);
    return Promise.all(items.map(({ record, expected }) => inner.replace(record, expected)));
  };
  return proxy;
}

/** Reads users one after another, and opens each record with the other implementation of the format. */
async function read() {
  const masters = [job.current, ...job.previous].map((key) => Buffer.from(key, "base64"));
  let reads = 0;
  for (let at = job.seed; !told; at = (at * 7_919 + 13) % job.users) {
    const record = await store.get(idOf(at));
    if (record == null) throw new Error(`user_${at} is gone`);
    const { apiKey } = openUnderAny(masters, record);
    if (!apiKey.startsWith(`sk-${at}-`)) throw new Error(`user_${at} has another's key`);
    reads += 1;
  }
  say({ reads });
}

/** Registers new keys for its own users, and deletes some; says what each has at the end. */
async function change() {
  const byok = new BYOK({ masterKeys, store });
  const last = {};
  for (let round = 1; !told; round++) {
    const user = job.from + ((round * 7_919) % job.users);
    const id = { userId: `user_${user}`, provider: "openai" };
    // Readers look at users below `job.stable`: these are changed, never deleted.
    if (user >= job.stable && round % 5 === 0) {
      await byok.deleteKey(id);
      last[user] = null;
    } else {
      const apiKey = `sk-${user}-${round}`;
      await byok.registerKey({ ...id, apiKey, validate: "format" });
      last[user] = apiKey;
    }
  }
  say({ last });
  await byok.close();
}

function idOf(user) {
  return { namespace: "default", userId: `user_${user}`, provider: "openai", label: "default" };
}

function openUnderAny(masters, record) {
  for (const master of masters) {
    try {
      return open(master, record, record.sealed);
    } catch (error) {
      if (error.code !== "UNKNOWN_MASTER_KEY") throw error;
    }
  }
  throw new Error(`${record.userId} is under an unknown key`);
}
