// The `usage` option: checked, and split into what native code reads and the sink.

import { invalidArgument } from "../errors.js";
import type { NativeStore } from "../native.js";
import { type Check, checkOptions, must, type OptionTable, text, whole } from "../options.js";
import { nativeHandle } from "../stores/native-store.js";
import { SqliteStore } from "../stores/sqlite.js";
import type {
  KeyStore,
  PriceTable,
  UsageFilter,
  UsageOptions,
  UsageQuery,
  UsageSink,
} from "../types.js";

const amount: Check = (value, path) =>
  must(
    (typeof value === "number" && Number.isFinite(value) && value >= 0) ||
      (typeof value === "string" && /^\d+(\.\d{1,9})?$/.test(value)),
    path,
    'an amount such as "0.25", with at most nine digits behind the point',
  );

const PRICE: OptionTable = {
  inputPerMillion: amount,
  cachedInputPerMillion: amount,
  outputPerMillion: amount,
  charactersPerMillion: amount,
  audioPerMinute: amount,
  perImage: amount,
  perRequest: amount,
};

/** @throws INVALID_ARGUMENT naming the model and the amount */
export function checkPrices(prices: PriceTable, where: string): void {
  if (typeof prices !== "object" || prices === null || Array.isArray(prices)) {
    throw invalidArgument(`${where} must be an object from "provider/model" to its price.`);
  }
  for (const [name, price] of Object.entries(prices))
    checkOptions(price, PRICE, `${where}[${JSON.stringify(name)}]`);
}

const USAGE: OptionTable = {
  sink: (value, path) =>
    must(
      value instanceof SqliteStore || typeof (value as UsageSink | null)?.write === "function",
      path,
      "a SqliteStore, or a sink with write(events), such as new PostgresUsage(...)",
    ),
  prices: (value, path) => {
    checkPrices(value as PriceTable, path);
    return undefined;
  },
  maxEvents: whole(1),
  flushIntervalMs: whole(1),
  maxBatch: whole(1),
  maxBuffered: whole(1),
};

/** What a checked `usage` option comes to. */
export interface PreparedUsage {
  /** For native code. */
  config: object;
  /** A sink in JavaScript. */
  sink: UsageSink | undefined;
  /** A native store's database. */
  store: NativeStore | null;
}

/** @throws INVALID_ARGUMENT naming the option */
export function prepareUsage(usage: UsageOptions | false | undefined): PreparedUsage {
  if (usage === false) return { config: { off: true }, sink: undefined, store: null };
  checkOptions(usage ?? {}, USAGE, "usage");
  const { sink, ...config } = usage ?? {};
  if (sink === undefined) return { config, sink: undefined, store: null };
  if (sink instanceof SqliteStore) {
    return { config, sink: undefined, store: nativeHandle(sink as KeyStore) ?? null };
  }
  return { config, sink: sink as UsageSink, store: null };
}

const date: Check = (value, path) =>
  must(
    !Number.isNaN(milliseconds(value as Date)),
    path,
    "a Date, an ISO 8601 string or milliseconds since 1970",
  );
const FILTER: OptionTable = {
  userId: text,
  provider: text,
  model: text,
  capability: text,
  label: text,
  from: date,
  to: date,
  signal: () => undefined,
};
const GROUPS = ["userId", "provider", "model", "capability", "label", "status"];
const INTERVALS = ["minute", "hour", "day", "month"];
const QUERY: OptionTable = {
  ...FILTER,
  groupBy: (value, path) =>
    must(
      Array.isArray(value) && value.every((item) => GROUPS.includes(item)),
      path,
      `an array of ${GROUPS.join(", ")}`,
    ),
  interval: (value, path) =>
    must(INTERVALS.includes(value as string), path, `one of ${INTERVALS.join(", ")}`),
};

/** The arguments of `usage()` as native code reads them. */
export function encodeUsageQuery(query: UsageQuery): object {
  checkOptions(query, QUERY, "usage()");
  return { ...range(query, "usage()"), groupBy: query.groupBy ?? [], interval: query.interval };
}

/** The arguments of an export as native code reads them. */
export function encodeUsageFilter(filter: UsageFilter, where: string): object {
  checkOptions(filter, FILTER, where);
  return range(filter, where);
}

function range(
  { userId, provider, model, capability, label, from, to }: UsageFilter,
  where: string,
) {
  if (from === undefined) throw invalidArgument(`${where} needs from.`);
  // An event that begins in this millisecond belongs to "until now".
  const toMs = to === undefined ? Date.now() + 1 : milliseconds(to);
  return { userId, provider, model, capability, label, fromMs: milliseconds(from), toMs };
}

function milliseconds(at: Date | string | number): number {
  if (typeof at === "number") return Number.isFinite(at) ? Math.max(0, Math.trunc(at)) : Number.NaN;
  return (at instanceof Date ? at : new Date(at)).getTime();
}
