// A store in one SQLite file, without a driver to install: SQLite is part of the addon.

import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { invalidArgument } from "../errors.js";
import { NativeKeyStore } from "./native-store.js";

/**
 * Keeps sealed records in a SQLite file, which is made when it does not exist (mode 0600). Several
 * processes on one machine may share the file (write-ahead log); a network file system may not.
 *
 * @example
 * ```ts
 * const byok = new BYOK({ masterKey: process.env.BYOK_MASTER_KEY, store: new SqliteStore("keys.db") });
 * ```
 */
export class SqliteStore extends NativeKeyStore {
  readonly path: string;

  /**
   * @param path - a file's path or `file:` URL; its directory must exist
   * @throws BYOKError `STORE_ERROR` when the file can't be opened or is not such a store
   */
  constructor(path: string | URL) {
    const file = path instanceof URL ? fileURLToPath(path) : path;
    if (typeof file !== "string" || file === "") {
      throw invalidArgument(
        'SqliteStore takes the path of its file, for example new SqliteStore("keys.db").',
      );
    }
    super((stores) => stores.sqlite(file));
    this.path = file;
  }

  /** @internal */
  override [inspect.custom](): string {
    return `SqliteStore { path: ${inspect(this.path)} }`;
  }
}
