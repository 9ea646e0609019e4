// The databases that stores are tested on: how each store is made over a real server, emptied, cut off, and
// how somebody with access to the database edits what it holds. The servers are those of
// scripts/services.mjs; see there for the variables that name them.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { PrismaPg } from "@prisma/adapter-pg";
import { Redis } from "ioredis";
import { type Collection, MongoClient } from "mongodb";
import mysqlCallbacks from "mysql2";
import mysql from "mysql2/promise";
import pg from "pg";
import postgres from "postgres";
import { createClient, createClientPool } from "redis";
import type { KeyStore } from "../../dist/index.js";
import { MongoStore } from "../../dist/stores/mongodb.js";
import { MySqlStore } from "../../dist/stores/mysql.js";
import { PostgresStore } from "../../dist/stores/postgres.js";
import { PrismaStore } from "../../dist/stores/prisma.js";
import { RedisStore } from "../../dist/stores/redis.js";
import type { OptionalMethod } from "../../dist/testing/store.js";

const SWAPS_MANY: OptionalMethod[] = ["replace", "replaceMany", "scan"];

/** A connection to a server, and stores over it. */
export interface Database {
  /** A store over an empty table. */
  create(): Promise<KeyStore>;
  /** A store over the same table, through another client. */
  reopen(): KeyStore | Promise<KeyStore>;
  /** Ends the client of a store that {@link create} made. */
  disconnect(store: KeyStore): Promise<void>;
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

/** A table for this process alone: tests of several clones may share a server. */
const TABLE = `byok_test_${process.pid}`;

/** What `create` made goes with the client that it was made over. */
class Clients<Client> {
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
async function database<Client>(
  clients: Clients<Client>,
  over: (client: Client) => KeyStore,
  { empty, edit, close }: Pick<Database, "edit" | "close"> & { empty(): Promise<unknown> },
): Promise<Database> {
  let shared: KeyStore | undefined;
  const other = await clients.store(over);
  return {
    async create() {
      shared ??= await clients.store(over);
      await empty();
      return shared;
    },
    reopen: () => other,
    async disconnect(store) {
      shared = undefined;
      await clients.disconnect(store);
    },
    edit,
    async close() {
      await clients.close();
      await close();
    },
  };
}

const SQL_NAMES: Record<string, string> = { userId: "user_id", createdAt: "created_at" };

/** `SET` of an update, with a mark for each value. */
function assignments(columns: Record<string, string>, mark: (n: number) => string): string {
  return Object.keys(columns)
    .map((name, n) => `${SQL_NAMES[name] ?? name} = ${mark(n + 1)}`)
    .join(", ");
}

async function postgresDatabase<Client>(
  url: string,
  clients: Clients<Client>,
  over: (client: Client) => PostgresStore,
): Promise<Database> {
  const admin = new pg.Pool({ connectionString: url, max: 1 });
  await new PostgresStore(admin, { table: TABLE }).migrate();
  return await database(clients, over, {
    empty: () => admin.query(`TRUNCATE ${TABLE}`),
    async edit(userId, columns) {
      const set = assignments(columns, (n) => `$${n}`);
      const values = Object.values(columns);
      const where = `WHERE user_id = $${values.length + 1}`;
      await admin.query(`UPDATE ${TABLE} SET ${set} ${where}`, [...values, userId]);
    },
    async close() {
      await admin.query(`DROP TABLE ${TABLE}`);
      await admin.end();
    },
  });
}

async function mysqlDatabase<Client>(
  url: string,
  clients: Clients<Client>,
  over: (client: Client) => MySqlStore,
): Promise<Database> {
  const admin = mysql.createPool({ uri: url, connectionLimit: 1 });
  await admin.query("CREATE DATABASE IF NOT EXISTS byok_test");
  await new MySqlStore(admin, { table: `byok_test.${TABLE}` }).migrate();
  return await database(clients, over, {
    empty: () => admin.query(`DELETE FROM byok_test.${TABLE}`),
    async edit(userId, columns) {
      const set = assignments(columns, () => "?");
      const values = [...Object.values(columns), userId];
      await admin.query(`UPDATE byok_test.${TABLE} SET ${set} WHERE user_id = ?`, values);
    },
    async close() {
      await admin.query(`DROP TABLE byok_test.${TABLE}`);
      await admin.end();
    },
  });
}

async function redisDatabase<Client>(
  url: string,
  clients: Clients<Client>,
  over: (client: Client) => RedisStore,
): Promise<Database> {
  const admin = new Redis(url);
  const keys = [`{${TABLE}}:records`, `{${TABLE}}:ids`] as const;
  return await database(clients, over, {
    empty: () => admin.del(...keys),
    async edit(userId, columns) {
      const [hash, ids] = keys;
      for (const [field, value] of Object.entries(await admin.hgetall(hash))) {
        const id = JSON.parse(field);
        if (id[1] !== userId) continue;
        const names = ["sealed", "status", "hint", "fingerprint", "createdAt", "updatedAt"];
        const values = JSON.parse(value);
        for (const [name, text] of Object.entries(columns)) {
          if (name === "userId") id[1] = text;
          else values[name === "metadata" ? 7 : names.indexOf(name)] = text;
        }
        await admin.hdel(hash, field);
        await admin.zrem(ids, field);
        await admin.hset(hash, JSON.stringify(id), JSON.stringify(values));
        await admin.zadd(ids, 0, JSON.stringify(id));
      }
    },
    async close() {
      await admin.del(...keys);
      admin.disconnect();
    },
  });
}

async function mongoDatabase(url: string, indexed: boolean): Promise<Database> {
  const admin = new MongoClient(url);
  const at = (client: MongoClient) => client.db("byok_test").collection(TABLE);
  const collection = at(admin) as unknown as Collection<{ _id: string }>;
  if (indexed) await new MongoStore(at(admin)).migrate();
  const connect = () => new MongoClient(url, { serverSelectionTimeoutMS: 5_000 }).connect();
  const clients = new Clients(connect, (client) => client.close());
  return await database(clients, (client) => new MongoStore(at(client)), {
    empty: () => collection.deleteMany({}),
    async edit(userId, columns) {
      const { userId: renamed, ...others } = columns;
      for (const found of await collection.find({ userId }).toArray()) {
        const { _id, ...rest } = found;
        const id = JSON.parse(_id);
        if (renamed !== undefined) id[1] = renamed;
        await collection.deleteOne({ _id });
        const edited = { ...rest, ...others, userId: renamed ?? userId };
        await collection.insertOne({ ...edited, _id: JSON.stringify(id) });
      }
    },
    async close() {
      await collection.drop();
      await admin.close();
    },
  });
}

/** The client that `prisma generate` makes of the model in docs/stores.md, with its own migration. */
async function prismaDatabase(url: string): Promise<Database> {
  const folder = join(__dirname, "../../target/prisma-test");
  const script = join(__dirname, "../../scripts/services/prisma-client.mjs");
  execFileSync(process.execPath, [script, folder], { stdio: ["ignore", "ignore", "inherit"] });
  const { PrismaClient } = require(join(folder, "client", "client.js"));
  const admin = new pg.Pool({ connectionString: url, max: 1 });
  const table = `${TABLE}.byok_keys`;
  await admin.query(`DROP SCHEMA IF EXISTS ${TABLE} CASCADE`);
  await admin.query(`CREATE SCHEMA ${TABLE}`);
  await admin.query(`CREATE TABLE ${table} (
    id text PRIMARY KEY, owner text NOT NULL, "sealedUnder" text NOT NULL,
    namespace text NOT NULL, "userId" text NOT NULL, provider text NOT NULL, label text NOT NULL,
    sealed text NOT NULL, status text NOT NULL, hint text NOT NULL, fingerprint text NOT NULL,
    "createdAt" timestamp(3) NOT NULL, "updatedAt" timestamp(3) NOT NULL,
    "verifiedAt" timestamp(3), metadata text)`);
  await admin.query(`CREATE INDEX ON ${table} (owner)`);
  await admin.query(`CREATE INDEX ON ${table} ("sealedUnder", id)`);
  const connect = () => {
    const pool = new pg.Pool({ connectionString: url });
    return { pool, prisma: new PrismaClient({ adapter: new PrismaPg(pool, { schema: TABLE }) }) };
  };
  const clients = new Clients(connect, async ({ pool, prisma }) => {
    await prisma.$disconnect();
    await pool.end();
  });
  return await database(clients, ({ prisma }) => new PrismaStore(prisma.byokKey), {
    empty: () => admin.query(`DELETE FROM ${table}`),
    async edit(userId, columns) {
      const own = { ...columns };
      if (own["userId"] !== undefined) {
        // A thorough attacker moves the row as the store would find it.
        const hash = (parts: string[]) =>
          createHash("sha256").update(JSON.stringify(parts)).digest("hex");
        const id = ["default", own["userId"]];
        own["owner"] = hash(id);
        own["id"] = hash([...id, "openai", "default"]);
      }
      const set = Object.keys(own).map((name, n) => `"${name}" = $${n + 1}`);
      const values = [...Object.values(own), userId];
      const where = `WHERE "userId" = $${values.length}`;
      await admin.query(`UPDATE ${table} SET ${set.join(", ")} ${where}`, values);
    },
    async close() {
      await admin.query(`DROP SCHEMA ${TABLE} CASCADE`);
      await admin.end();
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

const named = { table: TABLE };
const prefixed = { prefix: `{${TABLE}}:` };

export const DATABASES: Tested[] = [
  {
    name: "PostgresStore over pg",
    variable: "BYOK_TEST_POSTGRES_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      postgresDatabase(
        url,
        new Clients(
          () => new pg.Pool({ connectionString: url }),
          (pool) => pool.end(),
        ),
        (pool) => new PostgresStore(pool, { ...named, prepare: true }),
      ),
  },
  {
    name: "PostgresStore over one Client of pg",
    variable: "BYOK_TEST_POSTGRES_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      postgresDatabase(
        url,
        new Clients(
          async () => {
            const client = new pg.Client({ connectionString: url });
            await client.connect();
            return client;
          },
          (client) => client.end(),
        ),
        (client) => new PostgresStore(client, named),
      ),
  },
  {
    name: "PostgresStore over postgres.js",
    variable: "BYOK_TEST_POSTGRES_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      postgresDatabase(
        url,
        new Clients(
          // An application's own settings for names and types must not matter.
          () => postgres(url, { transform: postgres.camel, fetch_types: false }),
          (sql) => sql.end(),
        ),
        (sql) => new PostgresStore(sql, named),
      ),
  },
  {
    name: "MySqlStore over a pool of mysql2/promise",
    variable: "BYOK_TEST_MYSQL_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      mysqlDatabase(
        url,
        new Clients(
          () => mysql.createPool(url),
          (pool) => pool.end(),
        ),
        (pool) => new MySqlStore(pool, { table: `byok_test.${TABLE}` }),
      ),
  },
  {
    name: "MySqlStore over one connection of mysql2",
    variable: "BYOK_TEST_MYSQL_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      mysqlDatabase(
        url,
        new Clients(
          // Neither the character set nor what counts as a changed row may matter.
          () =>
            mysqlCallbacks.createConnection({
              uri: url,
              charset: "latin1",
              flags: ["-FOUND_ROWS"],
              namedPlaceholders: true,
            }),
          (connection) => connection.promise().end(),
        ),
        (connection) => new MySqlStore(connection, { table: `byok_test.${TABLE}` }),
      ),
  },
  {
    name: "RedisStore over ioredis",
    variable: "BYOK_TEST_REDIS_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      redisDatabase(
        url,
        new Clients(
          () => new Redis(url),
          async (client) => client.disconnect(),
        ),
        (client) => new RedisStore(client, prefixed),
      ),
  },
  {
    name: "RedisStore over redis",
    variable: "BYOK_TEST_REDIS_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      redisDatabase(
        url,
        new Clients(
          () => createClient({ url }).connect(),
          async (client) => client.destroy(),
        ),
        (client) => new RedisStore(client, prefixed),
      ),
  },
  {
    name: "RedisStore over a pool of redis",
    variable: "BYOK_TEST_REDIS_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      redisDatabase(
        url,
        new Clients(
          async () => {
            const pool = createClientPool({ url });
            await pool.connect();
            return pool;
          },
          async (pool) => pool.destroy(),
        ),
        (pool) => new RedisStore(pool, prefixed),
      ),
  },
  {
    name: "PrismaStore over @prisma/adapter-pg",
    variable: "BYOK_TEST_POSTGRES_URL",
    requires: ["replace", "scan"],
    open: prismaDatabase,
  },
  {
    name: "MongoStore on SecantusDB",
    variable: "BYOK_TEST_SECANTUS_URL",
    requires: SWAPS_MANY,
    concurrency: 4,
    open: (url) => mongoDatabase(url, true),
  },
  {
    // This server can't keep documents under an index that has _id in it.
    name: "MongoStore on nx-27017, without its index",
    variable: "BYOK_TEST_NX27017_URL",
    requires: SWAPS_MANY,
    concurrency: 4,
    open: (url) => mongoDatabase(url, false),
  },
  {
    name: "MongoStore on MongoDB",
    variable: "MONGODB_URL",
    requires: SWAPS_MANY,
    open: (url) => mongoDatabase(url, true),
  },
];
