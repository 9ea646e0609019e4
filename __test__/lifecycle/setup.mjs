// What the fixtures of this folder share. Each is a process (or worker) of its own: the first argument
// names the case, the second says where the practice provider listens.

import { BYOK, MemoryStore } from "byok-ai";

export const [, , mode, place] = process.argv;
export const practice = JSON.parse(place);
export const prompt = "What is the capital of France?";
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs the case that the first argument names. */
export async function runCase(cases) {
  const run = cases[mode];
  if (run === undefined) throw new Error(`There is no case ${mode}.`);
  await run();
}

/** @param fault - one of the practice provider's, such as `/fault/stall` */
export function make({ fault = "", ...options } = {}) {
  const baseURL = `${practice.origin}${fault}/openai/v1`;
  return new BYOK({
    masterKey: Buffer.from("a fine master key of 32 bytes\x01\x02\x03"),
    store: new MemoryStore(),
    providers: { openai: { baseURL, allowPrivateNetwork: true, maxRetries: 0 } },
    ...options,
  });
}

/** A BYOK and its user "u", whose key is stored without asking the provider. */
export async function withKey(options) {
  const byok = make(options);
  const apiKey = practice.openaiKey;
  await byok.registerKey({ userId: "u", provider: "openai", apiKey, validate: "format" });
  return { byok, user: byok.use("u") };
}

/** A store in JavaScript. `before` runs before each method but `set`; what it returns is awaited, and
 * stands for the answer when it is not undefined. */
export function jsStore(before = async () => undefined) {
  const records = new Map();
  const key = ({ namespace, userId, provider, label }) =>
    JSON.stringify([namespace, userId, provider, label]);
  return {
    get: async (id) => (await before("get")) ?? records.get(key(id)) ?? null,
    set: async (record) => void records.set(key(record), record),
    delete: async (id) => (await before("delete")) ?? records.delete(key(id)),
    list: async ({ namespace, userId }) =>
      (await before("list")) ??
      [...records.values()].filter((r) => r.namespace === namespace && r.userId === userId),
  };
}

/** The requests that the practice provider leaves without an answer, or without the rest of one. */
export async function stalled() {
  const response = await fetch(`${practice.origin}/control/connections`);
  return (await response.json()).stalled;
}

export async function until(look, limitMs = 10_000) {
  for (const end = Date.now() + limitMs; ; await sleep(10)) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`It did not happen within ${limitMs} ms: ${look}`);
  }
}

/** What a promise rejects with. */
export function failure(promise) {
  return promise.then(
    (value) => Promise.reject(new Error(`It was to fail, but gave ${JSON.stringify(value)}.`)),
    (error) => error,
  );
}
