// A key store inside the addon, seen from JavaScript. BYOK hands its handle straight to the engine,
// so that requests don't pass through JavaScript; the methods are for applications and tests.

import { inspect } from "node:util";
import { decodeEnvelope, unwrap } from "../errors.js";
import { type NativeBinding, type NativeStore, native } from "../native.js";
import type { KeyId, KeyRecord, KeyStore, Replacement, ScanPage } from "../types.js";

/** The handle of a native store, unless a subclass or the application replaced one of its methods. */
export let nativeHandle: (store: KeyStore) => NativeStore | undefined;

export abstract class NativeKeyStore implements KeyStore {
  readonly #handle: NativeStore;

  static {
    const methods = [
      ...(["get", "set", "delete", "list"] as const),
      ...(["replace", "replaceMany", "scan", "close"] as const),
    ];
    nativeHandle = (store) => {
      if (typeof store !== "object" || store === null || !(#handle in store)) return undefined;
      const untouched = methods.every((name) => store[name] === NativeKeyStore.prototype[name]);
      return untouched ? store.#handle : undefined;
    };
  }

  /** @internal */
  constructor(open: (stores: NativeBinding["NativeStore"]) => NativeStore) {
    this.#handle = unwrap(() => open(native().NativeStore));
  }

  /** The record of exactly this id, or null. */
  async get(id: KeyId): Promise<KeyRecord | null> {
    return await this.#call("get", id);
  }

  /** Writes a record, replacing one of the same id. */
  async set(record: KeyRecord): Promise<void> {
    await this.#call("set", record);
  }

  /** Deletes; true when there was a record. */
  async delete(id: KeyId): Promise<boolean> {
    return await this.#call("delete", id);
  }

  /** All records of one user, in the order of provider and label. */
  async list(o: { namespace: string; userId: string }): Promise<KeyRecord[]> {
    return await this.#call("list", o);
  }

  /** Writes `record` only if the stored one still has `expected.sealed`. */
  async replace(record: KeyRecord, expected: { sealed: string }): Promise<boolean> {
    return await this.#call("replace", { record, expected });
  }

  /** Does many swaps at once; for each item, in its order, whether it was written. */
  async replaceMany(items: readonly Replacement[]): Promise<boolean[]> {
    return await this.#call("replaceMany", items);
  }

  /** Walks all records in a stable order. */
  async scan(o: { cursor?: string; limit: number; notPrefix?: string }): Promise<ScanPage> {
    return await this.#call("scan", o);
  }

  /** Releases what the store holds. Closing twice is fine; other calls after it fail with `CLOSED`. */
  async close(): Promise<void> {
    await this.#call("close", {});
  }

  /** @internal */
  [inspect.custom](): string {
    return `${this.constructor.name} {}`;
  }

  async #call<T>(op: string, args: object): Promise<T> {
    return decodeEnvelope<T>(await this.#handle.call(op, JSON.stringify(args)));
  }
}
