// Records in a PostgreSQL table, through the application's own client: `pg` or `postgres` (postgres.js).
// Its statements stand here; no value ever becomes part of one.

import { createHash } from "node:crypto";
import type { KeyId, KeyRecord, KeyStore, Replacement, ScanPage } from "../types.js";
import { escapeNul, unescapeNul } from "./nul.js";
import {
  COLUMNS,
  fromRow,
  ID_COLUMNS,
  type IdValues,
  idValues,
  OTHER_COLUMNS,
  toRow,
} from "./record-row.js";
import { missingTable, PREPARED_TABLE_OPTIONS, requireMethods, tableParts } from "./table.js";
import { idKey, type ScanOptions, sealedUnder, UNDER_LENGTH, walkPage } from "./walk.js";

/** A `Pool`, `Client` or `PoolClient` of `pg`. */
export interface PgClient {
  query(config: {
    text: string;
    values: unknown[];
    rowMode: "array";
    name?: string;
  }): Promise<{ rows: unknown[][] }>;
}

/** What `postgres()` of postgres.js returns. */
export interface PostgresJsClient {
  unsafe(
    query: string,
    // biome-ignore lint/suspicious/noExplicitAny: as the driver declares it
    parameters?: any[],
    options?: { prepare?: boolean },
  ): { values(): PromiseLike<unknown[][]> };
}

export interface PostgresStoreOptions {
  /** `name` or `schema.name`: letters, digits, underscores. Default `"byok_keys"`. */
  table?: string | undefined;
  /** Named prepared statements: the server parses and plans each statement once a connection. Leave it
   * off behind a pooler that hands out a connection for one transaction and does not know them
   * (PgBouncer before 1.21). Default false. */
  prepare?: boolean | undefined;
}

/** Other writers got in the way; nothing was written, and the statement may run again. */
const RETRIED = ["40001", "40P01"];
const MOST_TRIES = 10;
/** Items of one statement: about 200 KB. */
const BATCH = 500;

/**
 * Keeps sealed records in a PostgreSQL table (12 or newer, encoding UTF-8). The client stays the
 * application's: `byok.close()` leaves it open.
 *
 * Every method is one statement and one round trip, but for `migrate`, and for `scan` with a `notPrefix`,
 * which needs another where it passes from one master key to the next.
 *
 * @example
 * ```ts
 * import { Pool } from "pg";
 * const store = new PostgresStore(new Pool());
 * await store.migrate();
 * const byok = new BYOK({ masterKey: process.env.BYOK_MASTER_KEY, store });
 * ```
 */
export class PostgresStore implements KeyStore {
  readonly #client: PgClient | PostgresJsClient;
  readonly #prepare: boolean;
  readonly #table: string;
  readonly #sql: ReturnType<typeof statements>;
  /** The last query of a single connection; see {@link PostgresStore.#inTurn}. */
  #last: Promise<unknown> = Promise.resolve();

  /** @throws BYOKError `INVALID_ARGUMENT` for another kind of client or an impossible table name */
  constructor(client: PgClient | PostgresJsClient, options?: PostgresStoreOptions) {
    const kind = typeof client === "function" ? "unsafe" : "query";
    const wanted = "a Pool or Client of pg, or what postgres() of postgres.js returns";
    requireMethods(client, [kind], "new PostgresStore()", wanted);
    this.#client = client;
    this.#table = quotedName(options);
    this.#prepare = options?.prepare ?? false;
    this.#sql = statements(this.#table);
  }

  /** The statements that {@link migrate} runs, for migrations of your own. */
  static schema(options?: PostgresStoreOptions): string[] {
    return schema(quotedName(options));
  }

  /** Creates table and index where they are missing; may run any number of times, also at once.
   * @throws when the database's encoding is not UTF-8, which could not hold every user id */
  async migrate(): Promise<void> {
    const [row] = await this.#run("SELECT current_setting('server_encoding')", []);
    if (row?.[0] !== "UTF8") {
      throw new Error(
        `The database's encoding is ${row?.[0]}; PostgresStore needs UTF8, which can hold every user id.`,
      );
    }
    for (const statement of schema(this.#table)) await this.#create(statement);
  }

  async get(id: KeyId): Promise<KeyRecord | null> {
    const [row] = await this.#run(this.#sql.get, idValues(id).map(escaped));
    return row === undefined ? null : record(row);
  }

  async set(record: KeyRecord): Promise<void> {
    await this.#run(this.#sql.set, toRow(record).map(escaped));
  }

  async delete(id: KeyId): Promise<boolean> {
    return (await this.#run(this.#sql.delete, idValues(id).map(escaped))).length > 0;
  }

  async list(o: { namespace: string; userId: string }): Promise<KeyRecord[]> {
    const rows = await this.#run(this.#sql.list, [o.namespace, o.userId].map(escaped));
    return rows.map(record);
  }

  async replace(record: KeyRecord, expected: { sealed: string }): Promise<boolean> {
    const values = [...toRow(record), expected.sealed].map(escaped);
    return (await this.#run(this.#sql.replace, values)).length > 0;
  }

  async replaceMany(items: readonly Replacement[]): Promise<boolean[]> {
    const answers = items.map(() => false);
    // In one order for all who do this at once: then they wait for each other's rows in turn.
    const order = items.map((item, index) => ({ ...item, index, key: idKey(item.record) }));
    order.sort((a, b) => (a.key < b.key ? -1 : 1));
    for (let start = 0; start < order.length; start += BATCH) {
      const rows = order.slice(start, start + BATCH).map(({ record, expected, index }) => {
        const values = [...toRow(record), expected.sealed].map(escaped);
        return Object.fromEntries([["n", index], ...values.map((value, n) => [`c${n}`, value])]);
      });
      const swapped = await this.#run(this.#sql.replaceMany, [JSON.stringify(rows)]);
      for (const [index] of swapped) answers[Number(index)] = true;
    }
    return answers;
  }

  async scan(o: ScanOptions): Promise<ScanPage> {
    return await walkPage(o, {
      page: async (limit, after, under) => {
        const from = (after ?? (["", "", "", ""] satisfies IdValues)).map(escaped);
        const rows =
          under === undefined
            ? await this.#run(this.#sql.page, [...from, limit])
            : await this.#run(this.#sql.pageUnder, [...from, limit, under]);
        return rows.map(record);
      },
      nextUnder: async (after) => {
        const query = after === undefined ? this.#sql.firstUnder : this.#sql.nextUnder;
        const [row] = await this.#run(query, after === undefined ? [] : [after]);
        return row && sealedUnder(String(row[0]));
      },
    });
  }

  async #create(statement: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#run(statement, []);
        return;
      } catch (error) {
        // IF NOT EXISTS looks before it creates: another process may be faster in between.
        const raced = ["23505", "42P07", "42710", "XX000"].includes(codeOf(error) ?? "");
        if (!raced || tries === MOST_TRIES) throw error;
      }
    }
  }

  /** Runs one statement, again where other writers made it fail. */
  async #run(text: string, values: unknown[]): Promise<unknown[][]> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#send(text, values);
      } catch (error) {
        const code = codeOf(error);
        if (code === "42P01") throw missingTable(this.#table, error);
        if (!RETRIED.includes(code ?? "") || tries === MOST_TRIES) throw error;
      }
    }
  }

  /** Rows as arrays: an application's settings for the names of columns don't matter then. */
  async #send(text: string, values: unknown[]): Promise<unknown[][]> {
    const client = this.#client;
    if ("unsafe" in client) {
      return await client.unsafe(text, values, { prepare: this.#prepare }).values();
    }
    const named = this.#prepare ? { name: statementName(text) } : {};
    const query = () => client.query({ text, values, rowMode: "array", ...named });
    // A pool, which has counts, takes queries as they come.
    return (await ("totalCount" in client ? query() : this.#inTurn(query))).rows;
  }

  /** `pg` is about to refuse a second query on a connection whose first has not ended. */
  #inTurn<T>(query: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(query, query);
    this.#last = turn;
    return turn;
  }
}

function schema(table: string): string[] {
  const name = table.replaceAll('"', "").split(".").at(-1);
  return [
    `CREATE TABLE IF NOT EXISTS ${table} (
  namespace   text COLLATE "C" NOT NULL,
  user_id     text COLLATE "C" NOT NULL,
  provider    text COLLATE "C" NOT NULL,
  label       text COLLATE "C" NOT NULL,
  sealed      text COLLATE "C" NOT NULL,
  status      text NOT NULL,
  hint        text NOT NULL,
  fingerprint text NOT NULL,
  created_at  text NOT NULL,
  updated_at  text NOT NULL,
  verified_at text,
  metadata    json,
  PRIMARY KEY (namespace, user_id, provider, label)
)`,
    `CREATE INDEX IF NOT EXISTS "${name}_by_master_key" ON ${table} (left(sealed, ${UNDER_LENGTH}), namespace, user_id, provider, label)`,
  ];
}

function statements(table: string) {
  const ids = ID_COLUMNS.join(", ");
  const under = `left(sealed, ${UNDER_LENGTH})`;
  // As text, since drivers parse json to what an application told them.
  const columns = COLUMNS.map((name) => (name === "metadata" ? "metadata::text" : name)).join(", ");
  // The type of a parameter is text everywhere: a driver that learns of json would encode it again.
  const place = (name: string, n: number) =>
    name === "metadata" ? `$${n}::text::json` : `$${n}::text`;
  const byId = ID_COLUMNS.map((name, n) => `${name} = $${n + 1}::text`).join(" AND ");
  const values = COLUMNS.map((name, n) => place(name, n + 1)).join(", ");
  const assign = (value: (name: string, n: number) => string) =>
    OTHER_COLUMNS.map((name, n) => `${name} = ${value(name, ID_COLUMNS.length + n)}`).join(", ");
  const behind = `(${ids}) > ($1::text, $2::text, $3::text, $4::text)`;
  const expected = COLUMNS.length;
  const fields = [...COLUMNS, "expected"].map((_, n) => `c${n} text`).join(", ");
  const sameIds = ID_COLUMNS.map((name, n) => `t.${name} = v.c${n}`).join(" AND ");
  const swapped = assign((name, n) => (name === "metadata" ? `v.c${n}::json` : `v.c${n}`));
  return {
    get: `SELECT ${columns} FROM ${table} WHERE ${byId}`,
    set: `INSERT INTO ${table} (${COLUMNS.join(", ")}) VALUES (${values}) ON CONFLICT (${ids}) DO UPDATE SET ${assign((name) => `excluded.${name}`)}`,
    delete: `DELETE FROM ${table} WHERE ${byId} RETURNING 1`,
    list: `SELECT ${columns} FROM ${table} WHERE namespace = $1::text AND user_id = $2::text ORDER BY provider, label`,
    replace: `UPDATE ${table} SET ${assign((name, n) => place(name, n + 1))} WHERE ${byId} AND sealed = $${expected + 1}::text RETURNING 1`,
    replaceMany: `UPDATE ${table} AS t SET ${swapped} FROM json_to_recordset($1::text::json) AS v (n int, ${fields}) WHERE ${sameIds} AND t.sealed = v.c${expected} RETURNING v.n`,
    page: `SELECT ${columns} FROM ${table} WHERE ${behind} ORDER BY ${ids} LIMIT $5::int`,
    // In the terms of the second index alone: with `= $6` the planner may take the first one, and then
    // looks at every record on the way.
    pageUnder: `SELECT ${columns} FROM ${table} WHERE (${under}, ${ids}) > ($6::text, $1::text, $2::text, $3::text, $4::text) AND ${under} <= $6::text ORDER BY ${under}, ${ids} LIMIT $5::int`,
    firstUnder: `SELECT ${under} FROM ${table} ORDER BY ${under} LIMIT 1`,
    nextUnder: `SELECT ${under} FROM ${table} WHERE ${under} > $1::text ORDER BY ${under} LIMIT 1`,
  };
}

function quotedName(options: PostgresStoreOptions | undefined): string {
  const { schema, table } = tableParts(options, PREPARED_TABLE_OPTIONS, "new PostgresStore()");
  return schema === undefined ? `"${table}"` : `"${schema}"."${table}"`;
}

/** Numbers and nulls stay as they are. */
function escaped<T>(value: T): T | string {
  return typeof value === "string" ? escapeNul(value) : value;
}

function record(row: unknown[]): KeyRecord {
  return fromRow(row.map((value) => (typeof value === "string" ? unescapeNul(value) : value)));
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/** The same name for the same text, in every process: what a connection knows by it never differs. */
function statementName(text: string): string {
  return `byok_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}
