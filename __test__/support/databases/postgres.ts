// PostgreSQL, through each of the clients that the store takes.

import pg from "pg";
import postgres from "postgres";
import { PostgresStore } from "../../../dist/stores/postgres.js";
import {
  assignments,
  Clients,
  type Database,
  database,
  newTable,
  SWAPS_MANY,
  type Tested,
} from "./database.js";

export const POSTGRES: Tested[] = [
  {
    name: "PostgresStore over pg",
    variable: "BYOK_TEST_POSTGRES_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      postgresDatabase(
        url,
        new Clients(
          () => new pg.Pool({ connectionString: hasty(url) }),
          (pool) => pool.end(),
        ),
        (pool, options) => new PostgresStore(pool, { ...options, prepare: true }),
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
            const client = new pg.Client({ connectionString: hasty(url) });
            await client.connect();
            return client;
          },
          (client) => client.end(),
        ),
        (client, options) => new PostgresStore(client, options),
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
          () =>
            postgres(url, {
              transform: postgres.camel,
              fetch_types: false,
              connection: { synchronous_commit: "off" },
            }),
          (sql) => sql.end(),
        ),
        (sql, options) => new PostgresStore(sql, options),
      ),
  },
];

/** Nothing here outlives a crash, so nobody waits for the disk. */
export const hasty = (url: string) => `${url}?options=-c%20synchronous_commit%3Doff`;

async function postgresDatabase<Client>(
  url: string,
  clients: Clients<Client>,
  over: (client: Client, options: { table: string }) => PostgresStore,
): Promise<Database> {
  const admin = new pg.Pool({ connectionString: hasty(url), max: 4 });
  const table = newTable();
  await new PostgresStore(admin, { table }).migrate();
  return await database(clients, (client) => over(client, { table }), {
    empty: () => admin.query(`TRUNCATE ${table}`),
    async edit(userId, columns) {
      const set = assignments(columns, (n) => `$${n}`);
      const values = Object.values(columns);
      const where = `WHERE user_id = $${values.length + 1}`;
      await admin.query(`UPDATE ${table} SET ${set} ${where}`, [...values, userId]);
    },
    unmade: () => ({
      store: new PostgresStore(admin, { table: `${table}_unmade` }),
      drop: () => admin.query(`DROP TABLE IF EXISTS ${table}_unmade`),
    }),
    async close() {
      await admin.query(`DROP TABLE ${table}`);
      await admin.end();
    },
  });
}
