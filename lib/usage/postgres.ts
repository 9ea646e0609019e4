// Usage events in a PostgreSQL table, through the application's own client: `pg` or `postgres`
// (postgres.js). Its statements stand here; no value ever becomes part of one.

import { invalidArgument } from "../errors.js";
import { checkOptions } from "../options.js";
import { escapeNul, unescapeNul } from "../stores/nul.js";
import type { UsageEvent, UsageRow, UsageSink, UsageSinkFilter, UsageSinkQuery } from "../types.js";

/** A `Pool`, `Client` or `PoolClient` of `pg`. */
export interface PgQueries {
  query(config: { text: string; values: unknown[] }): Promise<{ rows: unknown[] }>;
}

/** What `postgres()` of postgres.js returns. */
export interface PostgresJsQueries {
  // biome-ignore lint/suspicious/noExplicitAny: as the driver declares it
  unsafe(query: string, parameters?: any[]): PromiseLike<unknown[]>;
}

export interface PostgresUsageOptions {
  /** `name` or `schema.name`: letters, digits, underscores. Default `"byok_usage"`. */
  table?: string | undefined;
}

type Kind = "uuid" | "timestamptz" | "text" | "bigint";
/** Columns, their types, and the events' fields that they hold. */
const COLUMNS: readonly [column: string, kind: Kind, field: keyof UsageEvent][] = [
  ["id", "uuid", "id"],
  ["started_at", "timestamptz", "startedAt"],
  ["namespace", "text", "namespace"],
  ["user_id", "text", "userId"],
  ["provider", "text", "provider"],
  ["label", "text", "label"],
  ["model", "text", "model"],
  ["capability", "text", "capability"],
  ["status", "text", "status"],
  ["duration_ms", "bigint", "durationMs"],
  ["first_output_ms", "bigint", "firstOutputMs"],
  ["retries", "bigint", "retries"],
  ["attempt", "bigint", "attempt"],
  ["request_id", "text", "requestId"],
  ["input_tokens", "bigint", "inputTokens"],
  ["output_tokens", "bigint", "outputTokens"],
  ["cached_input_tokens", "bigint", "cachedInputTokens"],
  ["reasoning_tokens", "bigint", "reasoningTokens"],
  ["characters", "bigint", "characters"],
  ["audio_ms", "bigint", "audioMs"],
  ["images", "bigint", "images"],
  ["cost_nanos", "bigint", "costNanos"],
];
const NULLABLE = [
  "model",
  "first_output_ms",
  "request_id",
  "input_tokens",
  "output_tokens",
  "cached_input_tokens",
  "reasoning_tokens",
  "characters",
  "audio_ms",
  "images",
  "cost_nanos",
];

/**
 * Keeps usage events in a PostgreSQL table (12 or newer). Each batch is one statement; an event that comes
 * again is left alone by its id. The client stays the application's: `byok.close()` leaves it open.
 *
 * @example
 * ```ts
 * import { Pool } from "pg";
 * const sink = new PostgresUsage(new Pool());
 * await sink.migrate();
 * const byok = new BYOK({ masterKey: process.env.BYOK_MASTER_KEY, usage: { sink } });
 * ```
 */
export class PostgresUsage implements UsageSink {
  readonly #client: PgQueries | PostgresJsQueries;
  readonly #table: string;

  /** @throws BYOKError `INVALID_ARGUMENT` for another kind of client or an impossible table name */
  constructor(client: PgQueries | PostgresJsQueries, options: PostgresUsageOptions = {}) {
    const { query, unsafe } = (client ?? {}) as unknown as Record<string, unknown>;
    if (typeof query !== "function" && typeof unsafe !== "function") {
      throw invalidArgument(
        "new PostgresUsage() takes a Pool or Client of pg, or what postgres() of postgres.js returns.",
      );
    }
    checkOptions(options, { table }, "new PostgresUsage()");
    this.#client = client;
    this.#table = quoted(options.table);
  }

  /** The statements that {@link migrate} runs, for migrations of your own. */
  static schema(options: PostgresUsageOptions = {}): string[] {
    return schema(quoted(options.table));
  }

  /** Creates table and indexes where they are missing; may run any number of times. */
  async migrate(): Promise<void> {
    for (const statement of schema(this.#table)) await this.#run(statement, []);
  }

  async write(events: readonly UsageEvent[]): Promise<void> {
    if (events.length === 0) return;
    const columns = COLUMNS.map(([column]) => column).join(", ");
    const places = COLUMNS.map(([, kind], index) => `$${index + 1}::${kind}[]`).join(", ");
    const values = COLUMNS.map(([, , field]) =>
      events.map((event) => {
        const value = event[field];
        return typeof value === "string" ? escapeNul(value) : (value ?? null);
      }),
    );
    await this.#run(
      `INSERT INTO ${this.#table} (${columns}) SELECT * FROM unnest(${places}) ON CONFLICT (id) DO NOTHING`,
      values,
    );
  }

  async query(query: UsageSinkQuery): Promise<Omit<UsageRow, "cost">[]> {
    const { condition, values } = conditions(query);
    const groups = query.groupBy.map((group) => snake(group));
    // An interval is one of four words that were checked, never a value of its own.
    const start =
      query.interval &&
      `to_char(date_trunc('${query.interval}', started_at AT TIME ZONE 'UTC'), '${ISO}') AS start`;
    const keys = [...(start ? [start] : []), ...groups];
    const by = keys.map((_, index) => index + 1).join(", ");
    const rows = await this.#run(
      `SELECT ${[...keys, SUMS].join(", ")} FROM ${this.#table} WHERE ${condition}${
        keys.length > 0 ? ` GROUP BY ${by} ORDER BY ${by}` : ""
      }`,
      values,
    );
    return rows.map((row) => readRow(row, query, start !== undefined));
  }

  async events(o: {
    filter: UsageSinkFilter;
    after?: { at: string; id: string } | undefined;
    limit: number;
  }): Promise<UsageEvent[]> {
    const { condition, values } = conditions(o.filter);
    let behind = "";
    if (o.after !== undefined) {
      behind = ` AND (started_at, id) > ($${values.push(o.after.at)}, $${values.push(o.after.id)}::uuid)`;
    }
    const columns = COLUMNS.map(([column, kind]) =>
      kind === "timestamptz"
        ? `to_char(${column} AT TIME ZONE 'UTC', '${ISO}') AS ${column}`
        : `${column}::text AS ${column}`,
    );
    const rows = await this.#run(
      // By the table's own columns: the names of the texts that are selected would come first.
      `SELECT ${columns.join(", ")} FROM ${this.#table} AS kept WHERE ${condition}${behind} ORDER BY kept.started_at, kept.id LIMIT ${Number(o.limit)}`,
      values,
    );
    return rows.map(readEvent);
  }

  async #run(text: string, values: unknown[]): Promise<Record<string, unknown>[]> {
    const client = this.#client;
    const rows =
      "unsafe" in client
        ? await client.unsafe(text, values)
        : (await client.query({ text, values })).rows;
    return rows as Record<string, unknown>[];
  }
}

/** How PostgreSQL writes ISO 8601 with milliseconds. */
const ISO = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';

/** `::text`, since drivers read bigints and numerics each in their own way. */
const SUMS = [
  "count(*)::text AS calls",
  "(count(*) FILTER (WHERE status NOT IN ('ok', 'abandoned')))::text AS failed",
  "(count(*) FILTER (WHERE status = 'abandoned'))::text AS abandoned",
  ...[
    "retries",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "characters",
    "audio_ms",
    "images",
    "duration_ms",
    "first_output_ms",
    "cost_nanos",
  ].map((column) => `coalesce(sum(${column}), 0)::text AS ${column}`),
  "count(first_output_ms)::text AS first_outputs",
  "(count(*) FILTER (WHERE cost_nanos IS NULL AND status IN ('ok', 'abandoned')))::text AS unpriced",
].join(", ");

const SUM_FIELDS = [
  "calls",
  "failed",
  "abandoned",
  "retries",
  "inputTokens",
  "outputTokens",
  "cachedInputTokens",
  "reasoningTokens",
  "characters",
  "audioMs",
  "images",
  "durationMs",
  "firstOutputMs",
  "firstOutputs",
  "costNanos",
  "unpriced",
] as const;

function readRow(
  row: Record<string, unknown>,
  query: UsageSinkQuery,
  hasStart: boolean,
): Omit<UsageRow, "cost"> {
  const read: Record<string, unknown> = {};
  if (hasStart) read["start"] = row["start"];
  for (const group of query.groupBy) {
    const value = row[snake(group)];
    if (value != null) read[group] = unescapeNul(String(value));
  }
  for (const field of SUM_FIELDS) read[field] = Number(row[snake(field)]);
  return read as unknown as Omit<UsageRow, "cost">;
}

function readEvent(row: Record<string, unknown>): UsageEvent {
  const event: Record<string, unknown> = {};
  for (const [column, kind, field] of COLUMNS) {
    const value = row[column];
    if (value == null) continue;
    event[field] =
      kind === "bigint" ? Number(value) : kind === "text" ? unescapeNul(String(value)) : value;
  }
  return event as unknown as UsageEvent;
}

function conditions(filter: UsageSinkFilter): { condition: string; values: unknown[] } {
  const values: unknown[] = [
    escapeNul(filter.namespace),
    new Date(filter.fromMs).toISOString(),
    new Date(Math.min(filter.toMs, 8.64e15)).toISOString(),
  ];
  let condition =
    "namespace = $1 AND started_at >= $2::timestamptz AND started_at < $3::timestamptz";
  for (const field of ["userId", "provider", "model", "capability", "label"] as const) {
    const wanted = filter[field];
    if (wanted == null) continue;
    condition += ` AND ${snake(field)} = $${values.push(escapeNul(wanted))}`;
  }
  return { condition, values };
}

function schema(table: string): string[] {
  const columns = COLUMNS.map(([column, kind]) => {
    const type = kind === "text" ? 'text COLLATE "C"' : kind;
    return `${column} ${type}${NULLABLE.includes(column) ? "" : " NOT NULL"}`;
  });
  const index = table.replaceAll('"', "").replaceAll(".", "_");
  return [
    `CREATE TABLE IF NOT EXISTS ${table} (${columns.join(", ")}, PRIMARY KEY (id))`,
    `CREATE INDEX IF NOT EXISTS ${index}_time ON ${table} (namespace, started_at)`,
    `CREATE INDEX IF NOT EXISTS ${index}_user ON ${table} (namespace, user_id, started_at)`,
  ];
}

const table = (value: unknown, path: string) =>
  typeof value === "string" && /^[a-z_]\w{0,50}(\.[a-z_]\w{0,50})?$/i.test(value)
    ? undefined
    : `${path} must be a table's name of letters, digits and underscores: "name" or "schema.name".`;

function quoted(name = "byok_usage"): string {
  return name
    .split(".")
    .map((part) => `"${part}"`)
    .join(".");
}

function snake(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
