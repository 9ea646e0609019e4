// The stores that rotation is tested on, by a description that fits on a command line: opened in any
// process, filled in bulk, emptied.

import { rmSync } from "node:fs";
import { BYOK, MemoryStore, SqliteStore } from "byok-ai";
import { PostgresStore } from "byok-ai/stores/postgres";
import pg from "pg";

const USERS_AT_ONCE = 5_000;
const CALLS_AT_ONCE = 256;
const COLUMNS = {
  namespace: "namespace",
  user_id: "userId",
  provider: "provider",
  label: "label",
  sealed: "sealed",
  status: "status",
  hint: "hint",
  fingerprint: "fingerprint",
  created_at: "createdAt",
  updated_at: "updatedAt",
};

/** @param place - `{ path }` of an SQLite file, or `{ url, table }` of a PostgreSQL table */
export async function openStore(place) {
  if (place.path !== undefined) {
    const store = new SqliteStore(place.path);
    return { store, end: async () => {} };
  }
  const pool = new pg.Pool({ connectionString: place.url, max: 8 });
  const store = new PostgresStore(pool, { table: place.table });
  await store.migrate();
  return { store, pool, end: () => pool.end() };
}

export async function removeStore(place) {
  if (place.path !== undefined) {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${place.path}${suffix}`, { force: true });
    return;
  }
  const pool = new pg.Pool({ connectionString: place.url, max: 1 });
  await pool.query(`DROP TABLE IF EXISTS ${place.table}`);
  await pool.end();
}

/** Fills a store with `count` users, `user_0` and so on, each with the key `keyOf(user)`. */
export async function seed(place, masterKey, count, keyOf) {
  const { store, pool, end } = await openStore(place);
  for (let from = 0; from < count; from += USERS_AT_ONCE) {
    // Into PostgreSQL by way of memory: a statement for each record would take its time.
    const target = pool === undefined ? store : new MemoryStore();
    const byok = new BYOK({ masterKey, store: target });
    const users = Array.from({ length: Math.min(USERS_AT_ONCE, count - from) }, (_, n) => from + n);
    await atMost(CALLS_AT_ONCE, users, (user) =>
      byok.registerKey({
        userId: `user_${user}`,
        provider: "openai",
        apiKey: keyOf(user),
        validate: "format",
      }),
    );
    if (pool !== undefined) await insert(pool, place.table, target);
  }
  if (pool !== undefined) await pool.query(`ANALYZE ${place.table}`);
  await store.close?.();
  await end();
}

/** All records, page by page. */
export async function* scan(store) {
  let cursor;
  do {
    const page = await store.scan({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.records;
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
}

export async function atMost(limit, items, work) {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}

async function insert(pool, table, from) {
  const names = Object.keys(COLUMNS).join(", ");
  const types = Object.keys(COLUMNS)
    .map((name) => `${name} text`)
    .join(", ");
  const statement = `INSERT INTO ${table} (${names}) SELECT ${names} FROM json_to_recordset($1::json) AS r (${types})`;
  const rows = [];
  for await (const record of scan(from)) {
    rows.push(
      Object.fromEntries(Object.entries(COLUMNS).map(([name, field]) => [name, record[field]])),
    );
  }
  await pool.query(statement, [JSON.stringify(rows)]);
}
