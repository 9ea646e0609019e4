// The stores that rotation is tested on, by a description that fits on a command line: opened in any
// process, filled in bulk, emptied.

import { rmSync } from "node:fs";
import { BYOK, SqliteStore } from "byok-ai";
import { PostgresStore } from "byok-ai/stores/postgres";
import pg from "pg";

const ROWS_AT_ONCE = 2_000;
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
  let waiting = [];
  const write = pool === undefined ? bySet(store) : byInsert(pool, place.table);
  const collector = {
    get: async () => null,
    set: async (record) => void waiting.push(record),
    delete: async () => false,
    list: async () => [],
  };
  const byok = new BYOK({ masterKey, store: collector });
  for (let from = 0; from < count; from += ROWS_AT_ONCE) {
    const users = Array.from({ length: Math.min(ROWS_AT_ONCE, count - from) }, (_, n) => from + n);
    await atMost(CALLS_AT_ONCE, users, (user) =>
      byok.registerKey({
        userId: `user_${user}`,
        provider: "openai",
        apiKey: keyOf(user),
        validate: "format",
      }),
    );
    const records = waiting;
    waiting = [];
    await write(records);
  }
  await store.close?.();
  if (pool !== undefined) await pool.query(`ANALYZE ${place.table}`);
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

const bySet = (store) => (records) => atMost(CALLS_AT_ONCE, records, (record) => store.set(record));

const byInsert = (pool, table) => {
  const names = Object.keys(COLUMNS).join(", ");
  const types = Object.keys(COLUMNS)
    .map((name) => `${name} text`)
    .join(", ");
  const statement = `INSERT INTO ${table} (${names}) SELECT ${names} FROM json_to_recordset($1::json) AS r (${types})`;
  return (records) => {
    const rows = records.map((record) =>
      Object.fromEntries(Object.entries(COLUMNS).map(([name, field]) => [name, record[field]])),
    );
    return pool.query(statement, [JSON.stringify(rows)]);
  };
};
