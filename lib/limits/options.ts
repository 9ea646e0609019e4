// The `limits` option: checked, and split into what native code reads and what stays in JavaScript (the
// limiter, and limiters of single rules).

import { invalidArgument } from "../errors.js";
import {
  type Check,
  checkOptions,
  must,
  type OptionTable,
  text,
  texts,
  whole,
} from "../options.js";
import type { Limiter, LimitRule, Limits, PointsLimiter } from "../types.js";

const oneOf =
  (...names: string[]): Check =>
  (value, path) =>
    must(
      names.includes(value as string),
      path,
      names.map((name) => JSON.stringify(name)).join(" or "),
    );

const DIMENSIONS = ["namespace", "user", "provider", "model", "capability", "label"];
const dimension: Check = (value, path) =>
  must(
    typeof value === "string" && DIMENSIONS.includes(value),
    path,
    `one of ${DIMENSIONS.join(", ")}`,
  );

const ONLY: OptionTable = {
  users: texts,
  providers: texts,
  models: texts,
  capabilities: texts,
  labels: texts,
};

const RULE: OptionTable = {
  name: text,
  per: (value, path) => {
    const list = Array.isArray(value) ? value : [value];
    for (const item of list) {
      const complaint = dimension(item, path);
      if (complaint !== undefined) return complaint;
    }
    return undefined;
  },
  only: (value, path) => {
    checkOptions(value, ONLY, path);
    return undefined;
  },
  requests: whole(1),
  tokens: whole(1),
  concurrent: whole(1),
  spend: (value, path) =>
    must(
      typeof value === "string" || (Number.isFinite(value) && (value as number) > 0),
      path,
      'an amount such as "12.50"',
    ),
  limiter: (value, path) =>
    must(
      typeof (value as PointsLimiter | null)?.consume === "function",
      path,
      "an object with consume(key, points), such as a limiter of rate-limiter-flexible",
    ),
  windowMs: whole(1),
  burst: whole(1),
  period: oneOf("day", "month"),
  leaseMs: whole(1),
  allowUnpriced: (value, path) => must(typeof value === "boolean", path, "true or false"),
  counts: oneOf("requests", "tokens"),
};

const LIMITS: OptionTable = {
  rules: (value, path) => must(Array.isArray(value) && value.length > 0, path, "an array of rules"),
  waitMs: whole(0),
  maxQueued: whole(0),
  limiter: (value, path) =>
    must(
      typeof (value as Limiter | null)?.take === "function" &&
        typeof (value as Limiter).settle === "function",
      path,
      'an object with take and settle, such as new RedisLimiter(...). A limiter with consume() belongs into a rule: rules: [{ per: "user", limiter }]',
    ),
  whenUnavailable: oneOf("refuse", "allow"),
};

/** What a checked `limits` option comes to. */
export interface PreparedLimits {
  /** For native code. */
  config: object;
  limiter: Limiter | undefined;
  /** Limiters of single rules, by the rule's place. */
  external: ReadonlyMap<number, PointsLimiter>;
}

/** @throws INVALID_ARGUMENT naming the rule and option */
export function prepareLimits(limits: Limits): PreparedLimits {
  checkOptions(limits, LIMITS, "limits");
  if (limits.rules === undefined) throw invalidArgument("limits needs rules.");
  const external = new Map<number, PointsLimiter>();
  const rules = limits.rules.map((rule: LimitRule, index) => {
    checkOptions(rule, RULE, `limits.rules[${index}]`);
    const { per, limiter, counts, ...rest } = rule as LimitRule & {
      limiter?: PointsLimiter;
      counts?: string;
    };
    if (limiter === undefined && counts !== undefined) {
      throw invalidArgument(`limits.rules[${index}]: counts belongs to limiter.`);
    }
    if (limiter !== undefined) external.set(index, limiter);
    return {
      ...rest,
      per: per === undefined ? [] : [per].flat(),
      ...(limiter && { external: true, counts }),
    };
  });
  const { limiter, rules: _rules, ...rest } = limits;
  return { config: { ...rest, rules, remote: limiter !== undefined }, limiter, external };
}
