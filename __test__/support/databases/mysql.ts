// MySQL and MariaDB, through both faces of mysql2.

import mysqlCallbacks from "mysql2";
import mysql from "mysql2/promise";
import { MySqlStore } from "../../../dist/stores/mysql.js";
import {
  assignments,
  Clients,
  type Database,
  database,
  newTable,
  SWAPS_MANY,
  type Tested,
} from "./database.js";

export const MYSQL: Tested[] = [
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
        (pool, options) => new MySqlStore(pool, options),
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
        (connection, options) => new MySqlStore(connection, options),
      ),
  },
];

async function mysqlDatabase<Client>(
  url: string,
  clients: Clients<Client>,
  over: (client: Client, options: { table: string }) => MySqlStore,
): Promise<Database> {
  const admin = mysql.createPool({ uri: url, connectionLimit: 4 });
  const table = `byok_test.${newTable()}`;
  await admin.query("CREATE DATABASE IF NOT EXISTS byok_test");
  await new MySqlStore(admin, { table }).migrate();
  return await database(clients, (client) => over(client, { table }), {
    empty: () => admin.query(`DELETE FROM ${table}`),
    async edit(userId, columns) {
      const set = assignments(columns, () => "?");
      const values = [...Object.values(columns), userId];
      await admin.query(`UPDATE ${table} SET ${set} WHERE user_id = ?`, values);
    },
    unmade: () => ({
      store: new MySqlStore(admin, { table: `${table}_unmade` }),
      drop: () => admin.query(`DROP TABLE IF EXISTS ${table}_unmade`),
    }),
    async close() {
      await admin.query(`DROP TABLE ${table}`);
      await admin.end();
    },
  });
}
