// What calls used: events, sums, prices, and where events are kept.

import type { BYOKErrorCode } from "../errors.js";
import type { Capability } from "./key.js";
import type { KeyStore } from "./store.js";

/** One attempt at one provider with one key. A call has several only with fallback. */
export interface UsageEvent {
  /** A UUID of version 7. An event may be written twice, and counts once by this. */
  id: string;
  /** ISO 8601 in UTC with milliseconds. */
  startedAt: string;
  namespace: string;
  userId: string;
  provider: string;
  label: string;
  /** The provider's name of it once it answered; absent when the call had none. */
  model?: string;
  capability: Capability;
  /** `abandoned`: the caller went away before the end. */
  status: "ok" | "abandoned" | BYOKErrorCode;
  durationMs: number;
  /** Until the first piece of a stream. */
  firstOutputMs?: number;
  retries: number;
  /** Which attempt of its call, from 0. */
  attempt: number;
  requestId?: string;
  /** What the provider counted; absent is unknown, never 0. */
  inputTokens?: number;
  outputTokens?: number;
  cachedInputTokens?: number;
  reasoningTokens?: number;
  characters?: number;
  audioMs?: number;
  images?: number;
  /** Billionths of the price table's currency; absent when the model has no price. */
  costNanos?: number;
}

export type UsageGroup = "userId" | "provider" | "model" | "capability" | "label" | "status";
export type UsageInterval = "minute" | "hour" | "day" | "month";

/** Which events. What is left out is any. */
export interface UsageFilter {
  userId?: string | undefined;
  provider?: string | undefined;
  model?: string | undefined;
  capability?: Capability | undefined;
  label?: string | undefined;
  /** Included. A `Date`, an ISO string or milliseconds since 1970. */
  from: Date | string | number;
  /** Not included. Default: now. */
  to?: Date | string | number | undefined;
  signal?: AbortSignal | undefined;
}

export interface UsageQuery extends UsageFilter {
  /** One row for each combination of these. Default: all together. */
  groupBy?: readonly UsageGroup[] | undefined;
  /** One row for each of these, in UTC. */
  interval?: UsageInterval | undefined;
}

/** The sums of one group. */
export interface UsageRow {
  /** The interval's beginning, ISO 8601. */
  start?: string;
  userId?: string;
  provider?: string;
  model?: string;
  capability?: Capability;
  label?: string;
  status?: UsageEvent["status"];
  /** All attempts, failed and abandoned ones included. */
  calls: number;
  failed: number;
  abandoned: number;
  retries: number;
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
  reasoningTokens: number;
  characters: number;
  audioMs: number;
  images: number;
  durationMs: number;
  /** Summed over `firstOutputs` streams. */
  firstOutputMs: number;
  firstOutputs: number;
  /** Exact. Calls without a price are not in it. */
  costNanos: number;
  /** The same as a decimal of the table's currency. */
  cost: string;
  /** Calls that used something but have no price. */
  unpriced: number;
}

export interface UsageReport {
  rows: UsageRow[];
  /** In memory only: since when all events are there, once older ones have left. */
  completeFrom?: string;
  /** Events that were lost because too many waited for a sink that failed. */
  dropped: number;
}

/** What a model costs, as decimals of one currency of your choice. */
export interface Price {
  inputPerMillion?: string | number | undefined;
  /** Of input tokens that came from the provider's cache. Default: as other input. */
  cachedInputPerMillion?: string | number | undefined;
  outputPerMillion?: string | number | undefined;
  charactersPerMillion?: string | number | undefined;
  audioPerMinute?: string | number | undefined;
  perImage?: string | number | undefined;
  perRequest?: string | number | undefined;
}

/** `"provider/model"` to its price; a name that ends in `*` is a beginning, and the longest one wins. */
export type PriceTable = Readonly<Record<string, Price>>;

/** Where events are kept. Only `write` is needed to keep them; without `query` and `events`, `byok.usage()`
 * and exports can't be asked. */
export interface UsageSink {
  /** Keeps events. The same event may come again after a failure: its `id` tells. */
  write(events: readonly UsageEvent[]): Promise<void>;
  query?(query: UsageSinkQuery): Promise<Omit<UsageRow, "cost">[]>;
  /** At most `limit` events in the order of `startedAt` and `id`, behind `after`. */
  events?(o: {
    filter: UsageSinkFilter;
    after?: { at: string; id: string } | undefined;
    limit: number;
  }): Promise<UsageEvent[]>;
  close?(): Promise<void>;
}

/** A filter as a sink gets it. */
export interface UsageSinkFilter {
  namespace: string;
  userId?: string;
  provider?: string;
  model?: string;
  capability?: Capability;
  label?: string;
  fromMs: number;
  toMs: number;
}

export interface UsageSinkQuery extends UsageSinkFilter {
  groupBy: UsageGroup[];
  interval?: UsageInterval;
}

export interface UsageOptions {
  /** Where events are kept: a `SqliteStore` (its database), or a sink such as `PostgresUsage`. Default: the
   * latest `maxEvents` in memory. */
  sink?: UsageSink | KeyStore | undefined;
  prices?: PriceTable | undefined;
  /** In memory: how many events are kept, about 500 bytes each. Default 10,000. */
  maxEvents?: number | undefined;
  /** An event waits no longer for others before it is written, in milliseconds. Default 1,000. */
  flushIntervalMs?: number | undefined;
  /** Events in one write. Default 500. */
  maxBatch?: number | undefined;
  /** Events that wait for a sink that fails; the next ones are dropped and counted. Default 100,000. */
  maxBuffered?: number | undefined;
}
