// The store that a path or a URL names. A driver is the application's own: it is loaded from where the
// command is run.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import {
  type PgClient,
  type PostgresJsClient,
  PostgresStore,
  type PostgresStoreOptions,
} from "../stores/postgres.js";
import { SqliteStore } from "../stores/sqlite.js";
import type { KeyStore } from "../types.js";
import { Refusal } from "./refusal.js";

export interface OpenStore {
  store: KeyStore;
  /** What may be shown: without a password. */
  name: string;
  /** Closes what the store does not close itself. */
  end(): Promise<void>;
}

/** Connections of a PostgreSQL store; more batches at once than that wait for one another. */
const CONNECTIONS = 8;

/** @throws Refusal for a store that is not named, not there or of an unknown kind */
export function openStore(given: string | undefined, table: string | undefined): OpenStore {
  const named = given ?? process.env["BYOK_STORE"];
  if (named === undefined || named === "") {
    throw new Refusal(
      "Which store? Give the path of an SQLite file or a postgres:// URL, or set BYOK_STORE.",
    );
  }
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(named)?.[1]?.toLowerCase();
  if (scheme === "postgres" || scheme === "postgresql") return openPostgres(named, table);
  if (scheme !== undefined && scheme !== "sqlite" && scheme !== "file") {
    throw new Refusal(
      `byok-ai's command does not know ${scheme}:// stores. Call byok.rewrapKeys() and byok.checkKeys() from a script ` +
        "with the store of your application; docs/rotation.md has one.",
    );
  }
  if (table !== undefined) throw new Refusal("--table belongs to PostgreSQL.");
  return openSqlite(scheme === undefined ? named : pathOf(named));
}

function openSqlite(path: string): OpenStore {
  // A mistyped path must not become an empty store with nothing to do.
  if (!existsSync(path)) throw new Refusal(`There is no SQLite file ${path}.`);
  return { store: new SqliteStore(path), name: path, end: async () => {} };
}

function openPostgres(url: string, table: string | undefined): OpenStore {
  const options: PostgresStoreOptions = table === undefined ? {} : { table };
  const { client, end } = connect(url);
  return { store: new PostgresStore(client, options), name: withoutSecrets(url), end };
}

function connect(url: string): Pick<OpenStore, "end"> & { client: PgClient | PostgresJsClient } {
  // biome-ignore lint/suspicious/noExplicitAny: the application's module, of no declared type here
  const pg = load("pg") as any;
  if (pg !== undefined) {
    const Pool = pg.Pool ?? pg.default.Pool;
    const pool = new Pool({ connectionString: url, max: CONNECTIONS });
    // A connection that breaks while it is idle is replaced; its error must not end the process.
    pool.on("error", () => {});
    return { client: pool, end: () => pool.end() };
  }
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const postgres = load("postgres") as any;
  if (postgres !== undefined) {
    const sql = (postgres.default ?? postgres)(url, { max: CONNECTIONS, onnotice: () => {} });
    return { client: sql, end: () => sql.end() };
  }
  throw new Refusal(
    `A PostgreSQL store needs the package pg or postgres, and ${process.cwd()} has neither: run this where your ` +
      "application is installed, or `npm install pg`.",
  );
}

/** A package of the application, or nothing when it has none of that name. */
function load(name: string): unknown {
  const require = createRequire(join(process.cwd(), "package.json"));
  try {
    return require(name);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "MODULE_NOT_FOUND" && message.includes(`'${name}'`)) return undefined;
    throw error;
  }
}

function pathOf(url: string): string {
  return url.replace(/^[a-z]+:\/\//i, "");
}

function withoutSecrets(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return "the PostgreSQL database";
  }
}
