// Where the master keys come from: values are used at once, functions are started at construction
// and awaited by every operation. A failed load is reported by each operation that waited for it
// and tried again by the next one.

import { decodeError, invalidArgument } from "./errors.js";
import { checkOptions, MASTER_KEYS } from "./options.js";
import type { BYOKOptions, MasterKey } from "./types.js";

type Value = Uint8Array | string;
type Apply = (current: Value, previous: Value[]) => void;

export class MasterKeySource {
  readonly #keys: MasterKey[];
  readonly #apply: Apply;
  #loaded = false;
  #attempt: Promise<void> | undefined;

  /**
   * @param apply - hands the keys to native code, which wipes byte arrays; throws INVALID_MASTER_KEY
   * @throws INVALID_MASTER_KEY or INVALID_ARGUMENT for what is wrong already now
   */
  constructor(options: BYOKOptions, apply: Apply) {
    this.#apply = apply;
    const keys = readOptions(options);
    const values = keys.filter((key) => typeof key !== "function");
    if (values.length === keys.length) {
      this.#keys = [];
      this.#hand(values);
      return;
    }
    // Some must be waited for: the others are copied, so that the caller's arrays are wiped now.
    this.#keys = keys.map((key) => (key instanceof Uint8Array ? take(key) : key));
    this.ready()?.catch(() => {});
  }

  /** Nothing when the keys are there; else a promise that settles when this attempt does. */
  ready(): Promise<void> | undefined {
    if (this.#loaded) return undefined;
    this.#attempt ??= this.#load();
    return this.#attempt;
  }

  /** Wipes what is still waiting to be handed on. */
  close(): void {
    for (const key of this.#keys) if (key instanceof Uint8Array) key.fill(0);
    this.#keys.length = 0;
  }

  async #load(): Promise<void> {
    const results = await Promise.allSettled(
      this.#keys.map(async (key) =>
        typeof key === "function" ? key() : key instanceof Uint8Array ? Uint8Array.from(key) : key,
      ),
    );
    const values = results.flatMap((result) =>
      result.status === "fulfilled" ? [result.value] : [],
    );
    try {
      const failed = results.find((result) => result.status === "rejected");
      if (failed !== undefined) {
        const message =
          "The master key could not be loaded: the function given as masterKey failed. The cause is its own error; the next operation tries again.";
        throw decodeError({ code: "INVALID_MASTER_KEY", message }, failed.reason);
      }
      for (const value of values)
        checkValue(value, "What the function given as masterKey resolved to");
      this.#hand(values);
      this.close();
    } finally {
      for (const value of values) if (value instanceof Uint8Array) value.fill(0);
      this.#attempt = undefined;
    }
  }

  #hand(values: Value[]): void {
    const [current = "", ...previous] = values;
    this.#apply(current, previous);
    this.#loaded = true;
  }
}

/** The current key first, then the previous ones. */
function readOptions(options: BYOKOptions): MasterKey[] {
  const { masterKey, masterKeys } = options;
  if (masterKeys === undefined) {
    checkValue(masterKey, "masterKey");
    return [masterKey];
  }
  if (masterKey !== undefined) {
    throw invalidArgument("Give masterKey or masterKeys, not both.");
  }
  checkOptions(masterKeys, MASTER_KEYS, "masterKeys");
  const { current, previous = [] } = masterKeys as { current: unknown; previous?: unknown };
  checkValue(current, "masterKeys.current");
  if (!Array.isArray(previous)) {
    throw invalidArgument("masterKeys.previous must be an array, empty when there is none.");
  }
  return [
    current,
    ...previous.map((key: unknown, index) => {
      checkValue(key, `masterKeys.previous[${index}]`);
      return key;
    }),
  ];
}

function checkValue(key: unknown, name: string): asserts key is MasterKey {
  if (
    (typeof key === "string" && key !== "") ||
    key instanceof Uint8Array ||
    typeof key === "function"
  ) {
    return;
  }
  const what = key === "" ? "an empty string" : key == null ? String(key) : `of type ${typeof key}`;
  throw decodeError({
    code: "INVALID_MASTER_KEY",
    message:
      `${name} is ${what}. Make a key once with \`npx byok-ai keygen\`, keep it with your other secrets, and ` +
      "pass it in, for example as the environment variable BYOK_MASTER_KEY.",
  });
}

/** A copy of the caller's bytes, which are wiped. */
function take(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  bytes.fill(0);
  return copy;
}
