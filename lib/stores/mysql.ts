// Records in a MySQL or MariaDB table, through the application's own `mysql2` client. Its statements
// stand here; they are prepared by the server, and no value ever becomes part of one.

import type { KeyId, KeyRecord, KeyStore, Replacement, ScanPage } from "../types.js";
import {
  COLUMNS,
  fromRow,
  ID_COLUMNS,
  type IdValues,
  idValues,
  OTHER_COLUMNS,
  toRow,
} from "./record-row.js";
import { missingTable, requireMethods, TABLE_OPTIONS, tableParts } from "./table.js";
import { idKey, type ScanOptions, UNDER_LENGTH, walkPage } from "./walk.js";

/** A connection or pool of `mysql2/promise`. */
export interface MySqlClient {
  execute(
    options: { sql: string; rowsAsArray: boolean },
    // biome-ignore lint/suspicious/noExplicitAny: as the driver declares it
    values: any[],
  ): Promise<[unknown, unknown]>;
  /** A pool has it; see {@link MySqlStore.replaceMany}. */
  getConnection?(): Promise<MySqlClient & { release(): void; destroy(): void }>;
}

/** A connection or pool of `mysql2` with callbacks. */
export interface MySqlCallbackClient {
  promise(): MySqlClient;
}

export interface MySqlStoreOptions {
  /** `name` or `database.name`: letters, digits, underscores. Default `"byok_keys"`. */
  table?: string | undefined;
}

/** Other writers got in the way; nothing was written, and the statement may run again. */
const RETRIED = ["ER_LOCK_DEADLOCK", "ER_CHECKREAD"];
const MOST_TRIES = 10;
/** How many items one statement has: few sizes, since the server keeps a prepared statement for each. */
const SIZES = [1, 8, 64, 512];
/** Servers refuse packets of more than `max_allowed_packet`: 16 MiB, and 1 MiB on old ones. */
const MOST_BYTES = 700_000;

/**
 * Keeps sealed records in a table of MySQL (8.0 or newer) or MariaDB (10.5 or newer). The client stays the
 * application's: `byok.close()` leaves it open.
 *
 * Every method is one statement and one round trip, but for `migrate`; `replaceMany`, which is one
 * transaction for up to 512 records; and `scan` with a `notPrefix`, which needs another where it passes
 * from one master key to the next.
 *
 * @example
 * ```ts
 * import { createPool } from "mysql2/promise";
 * const store = new MySqlStore(createPool(process.env.DATABASE_URL));
 * await store.migrate();
 * const byok = new BYOK({ masterKey: process.env.BYOK_MASTER_KEY, store });
 * ```
 */
export class MySqlStore implements KeyStore {
  readonly #client: MySqlClient;
  readonly #table: string;
  readonly #sql: ReturnType<typeof statements>;

  /** @throws BYOKError `INVALID_ARGUMENT` for another kind of client or an impossible table name */
  constructor(client: MySqlClient | MySqlCallbackClient, options?: MySqlStoreOptions) {
    const wanted = "a pool or connection of mysql2";
    requireMethods(client, ["execute"], "new MySqlStore()", wanted);
    this.#client = "promise" in client ? client.promise() : client;
    this.#table = quotedName(options);
    this.#sql = statements(this.#table);
  }

  /** The statements that {@link migrate} runs, for migrations of your own. */
  static schema(options?: MySqlStoreOptions): string[] {
    return [schema(quotedName(options))];
  }

  /** Creates the table where it is missing; may run any number of times, also at once. */
  async migrate(): Promise<void> {
    await this.#run(schema(this.#table), []);
  }

  async get(id: KeyId): Promise<KeyRecord | null> {
    const [row] = await this.#rows(this.#sql.get, idValues(id));
    return row === undefined ? null : record(row);
  }

  async set(record: KeyRecord): Promise<void> {
    await this.#run(this.#sql.set, toRow(record));
  }

  async delete(id: KeyId): Promise<boolean> {
    return matched(await this.#run(this.#sql.delete, idValues(id))) > 0;
  }

  async list(o: { namespace: string; userId: string }): Promise<KeyRecord[]> {
    return (await this.#rows(this.#sql.list, [o.namespace, o.userId])).map(record);
  }

  async replace(record: KeyRecord, expected: { sealed: string }): Promise<boolean> {
    return await this.#replace(this.#client, record, expected);
  }

  /** One transaction for each 512 items, on a connection of the pool. A store over a single connection,
   * on which others may work at the same time, does them one after the other. */
  async replaceMany(items: readonly Replacement[]): Promise<boolean[]> {
    const answers = items.map(() => false);
    // In one order for all who do this at once: then they wait for each other's rows in turn.
    const order = items.map((item, index) => ({ ...item, index, key: idKey(item.record) }));
    order.sort((a, b) => (a.key < b.key ? -1 : 1));
    if (this.#client.getConnection === undefined) {
      for (const { record, expected, index } of order) {
        answers[index] = await this.#replace(this.#client, record, expected);
      }
      return answers;
    }
    for (const batch of batches(order)) {
      const won = await this.#again(() => this.#swap(batch));
      for (const { index, key } of batch) answers[index] = won.has(key);
    }
    return answers;
  }

  async scan(o: ScanOptions): Promise<ScanPage> {
    return await walkPage(o, {
      page: async (limit, after, under) => {
        const from = behindValues(after ?? ["", "", "", ""]);
        // A number would be sent as a floating-point one, which LIMIT refuses.
        const rows =
          under === undefined
            ? await this.#rows(this.#sql.page, [...from, String(limit)])
            : await this.#rows(this.#sql.pageUnder, [under, ...from, String(limit)]);
        return rows.map(record);
      },
      nextUnder: async (after) => {
        const query = after === undefined ? this.#sql.firstUnder : this.#sql.nextUnder;
        const [row] = await this.#rows(query, after === undefined ? [] : [after]);
        return row && String(text(row[0]));
      },
    });
  }

  async #replace(
    client: MySqlClient,
    record: KeyRecord,
    expected: { sealed: string },
  ): Promise<boolean> {
    const others = toRow(record).slice(ID_COLUMNS.length);
    const values = [...others, ...idValues(record), expected.sealed];
    return matched(await this.#run(this.#sql.replace, values, client)) > 0;
  }

  /** Locks the rows that are as expected, writes them, and gives their keys. */
  async #swap(batch: readonly (Replacement & { key: string })[]): Promise<Set<string>> {
    const connection = await this.#client.getConnection?.();
    if (connection === undefined) throw new Error("The pool gave no connection.");
    try {
      await send(connection, "START TRANSACTION", []);
      const expected = padded(batch).flatMap((item) => [
        ...idValues(item.record),
        item.expected.sealed,
      ]);
      const rows = await send(connection, this.#sql.lock(padded(batch).length), expected);
      const won = new Set((rows as unknown[][]).map((row) => JSON.stringify(row.map(text))));
      const records = batch.filter(({ key }) => won.has(key)).map((item) => item.record);
      if (records.length > 0) {
        const all = padded(records);
        await send(connection, this.#sql.write(all.length), all.flatMap(toRow));
      }
      await send(connection, "COMMIT", []);
      connection.release();
      return won;
    } catch (error) {
      // Not back into the pool with a transaction open; the server rolls it back.
      connection.destroy();
      throw error;
    }
  }

  async #rows(sql: string, values: (string | null)[]): Promise<unknown[][]> {
    return (await this.#run(sql, values)) as unknown[][];
  }

  #run(sql: string, values: (string | null)[], client = this.#client): Promise<unknown> {
    return this.#again(() => send(client, sql, values));
  }

  async #again<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        const code = (error as { code?: unknown } | null)?.code as string;
        if (code === "ER_NO_SUCH_TABLE") throw missingTable(this.#table, error);
        if (!RETRIED.includes(code) || tries === MOST_TRIES) throw error;
      }
    }
  }
}

/** Binary columns and values: they compare byte for byte, trailing spaces and NULs included, which no
 * text collation of both MySQL and MariaDB does, and whatever character set the connection has. */
function schema(table: string): string {
  return `CREATE TABLE IF NOT EXISTS ${table} (
  namespace    VARBINARY(256) NOT NULL,
  user_id      VARBINARY(512) NOT NULL,
  provider     VARBINARY(64) NOT NULL,
  label        VARBINARY(256) NOT NULL,
  sealed       VARBINARY(22000) NOT NULL,
  status       VARCHAR(16) NOT NULL,
  hint         VARBINARY(255) NOT NULL,
  fingerprint  VARCHAR(128) NOT NULL,
  created_at   VARCHAR(32) NOT NULL,
  updated_at   VARCHAR(32) NOT NULL,
  verified_at  VARCHAR(32),
  metadata     LONGTEXT,
  sealed_under VARBINARY(${UNDER_LENGTH}) GENERATED ALWAYS AS (LEFT(sealed, ${UNDER_LENGTH})) VIRTUAL,
  PRIMARY KEY (namespace, user_id, provider, label),
  KEY by_master_key (sealed_under, namespace, user_id, provider, label)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`;
}

function statements(table: string) {
  const columns = COLUMNS.join(", ");
  const ids = ID_COLUMNS.join(", ");
  const byId = ID_COLUMNS.map((name) => `${name} = ?`).join(" AND ");
  const marks = (count: number) => new Array(count).fill("?").join(", ");
  const tuples = (size: number, count: number) =>
    new Array(count).fill(`(${marks(size)})`).join(", ");
  const upsert = OTHER_COLUMNS.map((name) => `${name} = VALUES(${name})`).join(", ");
  const write = (count: number) =>
    `INSERT INTO ${table} (${columns}) VALUES ${tuples(COLUMNS.length, count)} ON DUPLICATE KEY UPDATE ${upsert}`;
  // Neither server takes (a, b) > (?, ?) for a range of the index.
  const behind = ID_COLUMNS.reduceRight(
    (rest, name) => (rest === "" ? `${name} > ?` : `(${name} > ? OR (${name} = ? AND ${rest}))`),
    "",
  );
  return {
    get: `SELECT ${columns} FROM ${table} WHERE ${byId}`,
    set: write(1),
    delete: `DELETE FROM ${table} WHERE ${byId}`,
    list: `SELECT ${columns} FROM ${table} WHERE namespace = ? AND user_id = ? ORDER BY provider, label`,
    replace: `UPDATE ${table} SET ${OTHER_COLUMNS.map((name) => `${name} = ?`).join(", ")} WHERE ${byId} AND sealed = ?`,
    lock: (count: number) =>
      `SELECT ${ids} FROM ${table} WHERE (${ids}, sealed) IN (${tuples(ID_COLUMNS.length + 1, count)}) ORDER BY ${ids} FOR UPDATE`,
    write,
    page: `SELECT ${columns} FROM ${table} WHERE ${behind} ORDER BY ${ids} LIMIT ?`,
    pageUnder: `SELECT ${columns} FROM ${table} WHERE sealed_under = ? AND ${behind} ORDER BY ${ids} LIMIT ?`,
    firstUnder: `SELECT sealed_under FROM ${table} ORDER BY sealed_under LIMIT 1`,
    nextUnder: `SELECT sealed_under FROM ${table} WHERE sealed_under > ? ORDER BY sealed_under LIMIT 1`,
  };
}

/** The values of the condition `behind`: each but the last twice. */
function behindValues(id: IdValues): string[] {
  return id.flatMap((value, n) => (n === id.length - 1 ? [value] : [value, value]));
}

function quotedName(options: MySqlStoreOptions | undefined): string {
  const { schema, table } = tableParts(options, TABLE_OPTIONS, "new MySqlStore()");
  return schema === undefined ? `\`${table}\`` : `\`${schema}\`.\`${table}\``;
}

/** Rows as arrays: an application's settings for results don't matter then. */
async function send(
  client: MySqlClient,
  sql: string,
  values: readonly (string | null)[],
): Promise<unknown> {
  const bytes = values.map((value) => (value === null ? null : Buffer.from(value)));
  const [result] = await client.execute({ sql, rowsAsArray: true }, bytes);
  return result;
}

/** How many rows a statement was about, also where an application switched the flag off that makes
 * `affectedRows` say so. */
function matched(result: unknown): number {
  const { affectedRows = 0, info = "" } = result as { affectedRows?: number; info?: string };
  return Math.max(affectedRows, Number(/matched: (\d+)/i.exec(info)?.[1] ?? 0));
}

function record(row: unknown[]): KeyRecord {
  return fromRow(row.map(text));
}

function text(value: unknown): unknown {
  return Buffer.isBuffer(value) ? value.toString() : value;
}

/** Parts of at most 512 items and about {@link MOST_BYTES}. */
function batches<T extends Replacement>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  let bytes = MOST_BYTES;
  for (const item of items) {
    const size = JSON.stringify(item.record).length;
    bytes += size;
    if (bytes > MOST_BYTES || parts.at(-1)?.length === SIZES.at(-1)) {
      parts.push([]);
      bytes = size;
    }
    parts.at(-1)?.push(item);
  }
  return parts;
}

/** As many items as the next of {@link SIZES} by repeating the last: that changes nothing. */
function padded<T>(items: readonly T[]): T[] {
  const size = SIZES.find((each) => each >= items.length) ?? items.length;
  const last = items.at(-1) as T;
  return [...items, ...new Array<T>(size - items.length).fill(last)];
}
