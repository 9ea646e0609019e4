// The numbers of limits as response headers, by the IETF's draft "RateLimit header fields for HTTP"
// (draft-ietf-httpapi-ratelimit-headers), and Retry-After.

import { BYOKError } from "../errors.js";
import type { LimitState } from "../types.js";

/**
 * `RateLimit-Policy`, `RateLimit` and, for a refusal, `Retry-After`: for the response to the app's own
 * client. Empty for other errors. Calls at the same time have no window and are left out.
 *
 * @param from - a `RATE_LIMITED` error, or what `byok.limits()` gave
 * @example
 * ```ts
 * try { ... } catch (error) {
 *   if (error instanceof BYOKError && error.code === "RATE_LIMITED")
 *     return new Response(error.message, { status: 429, headers: rateLimitHeaders(error) });
 * }
 * ```
 */
export function rateLimitHeaders(from: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  const states = from instanceof BYOKError ? (from.limits ?? []) : (from as LimitState[]);
  const limited = Array.isArray(states) ? states.filter((state) => state.windowMs) : [];
  if (limited.length > 0) {
    headers["ratelimit-policy"] = limited
      .map((state) => `"${state.rule}";q=${units(state, state.limit)};w=${seconds(state.windowMs)}`)
      .join(", ");
    headers["ratelimit"] = limited
      .map(
        (state) => `"${state.rule}";r=${units(state, state.remaining)};t=${seconds(state.resetMs)}`,
      )
      .join(", ");
  }
  if (from instanceof BYOKError && from.retryAfterMs !== undefined) {
    headers["retry-after"] = String(seconds(from.retryAfterMs));
  }
  return headers;
}

/** The draft knows whole numbers only, so money is in cents. */
function units(state: LimitState, value: number): number {
  return Math.max(0, Math.floor(state.counts === "spend" ? value * 100 : value));
}

function seconds(ms: number | undefined): number {
  return Math.ceil((ms ?? 0) / 1000);
}
