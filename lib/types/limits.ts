// The app's limits for its users, and the numbers that a refusal comes with.

import type { Capability } from "./key.js";

/** What a rule counts apart: each user, each model, ... */
export type LimitDimension = "namespace" | "user" | "provider" | "model" | "capability" | "label";

/** Which calls a rule is about; what is left out is any. A text that ends in `*` is a beginning. */
export interface LimitFilter {
  users?: readonly string[] | undefined;
  providers?: readonly string[] | undefined;
  models?: readonly string[] | undefined;
  capabilities?: readonly Capability[] | undefined;
  labels?: readonly string[] | undefined;
}

interface RuleBase {
  /** Names the rule in messages, headers and Redis. Default: what it counts, `"user-requests"`. */
  name?: string | undefined;
  /** What is counted apart; nothing: all calls together. */
  per?: LimitDimension | readonly LimitDimension[] | undefined;
  only?: LimitFilter | undefined;
}

/** So many requests in a window (GCRA): `burst` of them at once, and then one each `windowMs / requests`. */
export interface RequestRule extends RuleBase {
  requests: number;
  windowMs: number;
  /** How many may come at once. Default: `requests`. So no stretch of `t` ms sees more than
   * `burst + t * requests / windowMs`. */
  burst?: number | undefined;
}

/** So many tokens in a window, input and output together: estimated before a call (a token for four
 * bytes of the request, and `maxTokens` or 500 for the answer), corrected after it. */
export interface TokenRule extends RuleBase {
  tokens: number;
  windowMs: number;
  burst?: number | undefined;
}

/** So many calls at the same time; a stream is one until it ends. */
export interface ConcurrentRule extends RuleBase {
  concurrent: number;
  /** With `RedisLimiter`: when a call that a dead process never ended stops counting, in milliseconds.
   * Default 600,000. */
  leaseMs?: number | undefined;
}

/** So much money in a calendar day or month (UTC), by `usage.prices`. */
export interface SpendRule extends RuleBase {
  /** A decimal amount of the price table's currency: `"12.50"`. */
  spend: string | number;
  period: "day" | "month";
  /** Lets calls pass that no price is known for. Default false: they are refused. */
  allowUnpriced?: boolean | undefined;
}

/** A limiter of the app's own decides, such as one of `rate-limiter-flexible`. */
export interface ExternalRule extends RuleBase {
  limiter: PointsLimiter;
  /** What a call consumes: one point, or one for each token. Default `"requests"`. */
  counts?: "requests" | "tokens" | undefined;
}

export type LimitRule = RequestRule | TokenRule | ConcurrentRule | SpendRule | ExternalRule;

/** What `rate-limiter-flexible` has. `consume` resolves when the points were taken, rejects with an object
 * that has `msBeforeNext` when they were not, and with an `Error` when it can't tell. */
export interface PointsLimiter {
  consume(key: string, points?: number): Promise<PointsState>;
  get?(key: string): Promise<PointsState | null>;
  penalty?(key: string, points?: number): Promise<unknown>;
  reward?(key: string, points?: number): Promise<unknown>;
  readonly points?: number;
  readonly duration?: number;
}

export interface PointsState {
  remainingPoints: number;
  msBeforeNext: number;
}

export interface Limits {
  /** A call needs the consent of every rule that is about it, and takes from all of them or from none. */
  rules: readonly LimitRule[];
  /** How long a refused call may wait for its turn, in milliseconds. Default 0: it fails at once. Calls
   * of one user are served in the order of arrival, users in turn. */
  waitMs?: number | undefined;
  /** Calls that wait at the same time, in this process. Default 10,000. */
  maxQueued?: number | undefined;
  /** Where rules are counted. Default: in this process. `RedisLimiter` counts for many. */
  limiter?: Limiter | undefined;
  /** What happens to calls while the limiter fails: `"refuse"` (default) fails them with `LIMITER_ERROR`,
   * `"allow"` lets them pass uncounted. Both are reported as `limiter.failed`. */
  whenUnavailable?: "refuse" | "allow" | undefined;
}

/** One rule's share of a call, as a {@link Limiter} is asked. */
export interface LimitClaim {
  /** The rule's place in the list. */
  rule: number;
  /** The counted key: `user-requests:user=alice`. */
  key: string;
  counts: "requests" | "tokens" | "concurrent" | "spend" | "external";
  /** Requests, tokens, calls, or billionths of money. 0 only asks. */
  units: number;
  limit: number;
  windowMs: number;
  burst: number;
  /** When a budget's period ends, in milliseconds since 1970. */
  periodEndMs: number;
  leaseMs: number;
  /** Names the call among those at the same time. */
  id: string;
}

/** What turned out: `actual` instead of `units`; 0 ends a call at the same time. */
export interface LimitCorrection extends LimitClaim {
  actual: number;
}

export interface LimitAnswer {
  /** The rule that refused; absent when everything was taken. */
  refused?: { rule: number; retryAfterMs?: number | undefined } | undefined;
  standings?: readonly LimitStanding[] | undefined;
}

export interface LimitStanding {
  rule: number;
  remaining: number;
  resetMs?: number | undefined;
  limit?: number | undefined;
  windowMs?: number | undefined;
}

/** Where limits are counted for several processes; `RedisLimiter` is one. */
export interface Limiter {
  /** Takes all claims or none. */
  take(claims: readonly LimitClaim[]): Promise<LimitAnswer>;
  /** Once a call is over, off its path. */
  settle(corrections: readonly LimitCorrection[]): Promise<void>;
  close?(): Promise<void>;
}

/** Where a call stands with one rule. */
export interface LimitState {
  /** The rule's name. */
  rule: string;
  counts: LimitClaim["counts"];
  /** Units in a window, calls at the same time, or money in a period. */
  limit: number;
  remaining: number;
  /** When all of it is there again if nothing more is taken; absent for calls at the same time. */
  resetMs?: number;
  windowMs?: number;
}

/** Whose limits to look at. What a rule counts apart and is not named here counts as empty. */
export interface LimitsQuery {
  userId: string;
  provider?: string | undefined;
  model?: string | undefined;
  capability?: Capability | undefined;
  label?: string | undefined;
  signal?: AbortSignal | undefined;
}
