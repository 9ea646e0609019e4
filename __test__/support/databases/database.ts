// What a test needs of a database, and the clients that stores are made over in it.

import type { KeyStore } from "../../../dist/index.js";
import type { OptionalMethod } from "../../../dist/testing/store.js";

export const SWAPS_MANY: OptionalMethod[] = ["replace", "replaceMany", "scan"];

/** A connection to a server, and stores over it. */
export interface Database {
  /** A store over an empty table. */
  create(): Promise<KeyStore>;
  /** A store over the same table, through another client. */
  reopen(): KeyStore | Promise<KeyStore>;
  /** Ends the client of a store that {@link create} made. */
  disconnect(store: KeyStore): Promise<void>;
  /** A store over a table that nobody made, and one that may make it at the same time as others;
   * absent where there is nothing to make. */
  unmade?(): { store: KeyStore & { migrate?(): Promise<void> }; drop(): Promise<unknown> };
  /** Sets columns (in the names of records) of one user's row, as an administrator's tool does. */
  edit(userId: string, columns: Record<string, string>): Promise<void>;
  close(): Promise<void>;
}

export interface Tested {
  name: string;
  /** Names the server's URL. */
  variable: string;
  requires: OptionalMethod[];
  /** For servers that are slow; see `StoreConformanceOptions`. */
  concurrency?: number;
  open(url: string): Promise<Database>;
}

let tables = 0;

/** A table for one store of this process: stores are tested at once, and several clones may share a
 * server. */
export const newTable = () => `byok_test_${process.pid}_${++tables}`;

/** What `create` made goes with the client that it was made over. */
export class Clients<Client> {
  readonly #of = new Map<KeyStore, Client>();
  readonly #open = new Set<Client>();

  constructor(
    readonly make: () => Client | Promise<Client>,
    readonly end: (client: Client) => Promise<unknown>,
  ) {}

  async store(over: (client: Client) => KeyStore): Promise<KeyStore> {
    const client = await this.make();
    this.#open.add(client);
    const store = over(client);
    this.#of.set(store, client);
    return store;
  }

  async disconnect(store: KeyStore): Promise<void> {
    const client = this.#of.get(store);
    if (client === undefined) throw new Error("This store is not from here.");
    this.#of.delete(store);
    await this.#end(client);
  }

  async close(): Promise<void> {
    for (const client of this.#open) await this.#end(client);
    this.#of.clear();
  }

  async #end(client: Client): Promise<void> {
    if (this.#open.delete(client)) await this.end(client);
  }
}

/** One client for all cases but that which loses it: connecting for each would take most of the time. */
export async function database<Client>(
  clients: Clients<Client>,
  over: (client: Client) => KeyStore,
  own: Pick<Database, "edit" | "close" | "unmade"> & { empty(): Promise<unknown> },
): Promise<Database> {
  let shared: KeyStore | undefined;
  const other = await clients.store(over);
  return {
    async create() {
      shared ??= await clients.store(over);
      await own.empty();
      return shared;
    },
    reopen: () => other,
    async disconnect(store) {
      shared = undefined;
      await clients.disconnect(store);
    },
    edit: own.edit,
    ...(own.unmade === undefined ? {} : { unmade: own.unmade }),
    async close() {
      await clients.close();
      await own.close();
    },
  };
}

const SQL_NAMES: Record<string, string> = { userId: "user_id", createdAt: "created_at" };

/** `SET` of an update, with a mark for each value. */
export function assignments(columns: Record<string, string>, mark: (n: number) => string): string {
  return Object.keys(columns)
    .map((name, n) => `${SQL_NAMES[name] ?? name} = ${mark(n + 1)}`)
    .join(", ");
}
