// A store that forgets everything when the process ends: for tests and first steps.

import { NativeKeyStore } from "./native-store.js";

/**
 * Keeps sealed records in the memory of this process. Several `BYOK` objects may share one.
 *
 * @example
 * ```ts
 * const byok = new BYOK({ masterKey: process.env.BYOK_MASTER_KEY, store: new MemoryStore() });
 * ```
 */
export class MemoryStore extends NativeKeyStore {
  constructor() {
    super((stores) => stores.memory());
  }
}
