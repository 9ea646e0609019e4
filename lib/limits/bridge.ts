// Limiters in JavaScript for the native side: one function that never throws and always resolves to an
// envelope. Rules with a limiter of their own (`consume`) are asked one after the other behind the common
// limiter; when one refuses, what the others had taken is given back.

import { keepCause } from "../causes.js";
import { inContext } from "../contexts.js";
import type {
  LimitAnswer,
  LimitClaim,
  LimitCorrection,
  Limiter,
  LimitStanding,
  PointsLimiter,
  PointsState,
} from "../types.js";
import type { PreparedLimits } from "./options.js";

type Callback = (op: string, json: string, context: number) => Promise<string>;

/** Nothing when all rules are counted by native code. */
export function limiterCallback({ limiter, external }: PreparedLimits): Callback | null {
  if (limiter === undefined && external.size === 0) return null;
  return (op, json, context) => inContext(context, () => call(limiter, external, op, json));
}

async function call(
  limiter: Limiter | undefined,
  external: ReadonlyMap<number, PointsLimiter>,
  op: string,
  json: string,
): Promise<string> {
  try {
    if (op === "take") {
      return JSON.stringify({ ok: await take(limiter, external, JSON.parse(json)) });
    }
    await settle(limiter, external, JSON.parse(json));
    return '{"ok":null}';
  } catch (cause) {
    const message = `The limiter's ${op}() failed. The cause is its own exception.`;
    const causeId = keepCause(cause);
    return JSON.stringify({ error: { code: "LIMITER_ERROR", message, causeId } });
  }
}

async function take(
  limiter: Limiter | undefined,
  external: ReadonlyMap<number, PointsLimiter>,
  claims: readonly LimitClaim[],
): Promise<LimitAnswer> {
  const standings: LimitStanding[] = [];
  const common = claims.filter((claim) => !external.has(claim.rule));
  if (limiter !== undefined && common.length > 0) {
    const answer = readAnswer(await limiter.take(common));
    standings.push(...answer.standings);
    if (answer.refused !== undefined) return { refused: answer.refused, standings };
  }
  const taken: LimitClaim[] = [];
  for (const claim of claims) {
    const own = external.get(claim.rule);
    if (own === undefined) continue;
    try {
      const state = await consume(own, claim);
      taken.push(claim);
      if (state !== undefined) standings.push(standing(claim, own, state));
    } catch (reason) {
      await giveBack(limiter, external, common, taken);
      if (reason instanceof Error || !isState(reason)) throw reason;
      standings.push(standing(claim, own, reason));
      const retryAfterMs = Math.max(0, Math.ceil(reason.msBeforeNext));
      return { refused: { rule: claim.rule, retryAfterMs }, standings };
    }
  }
  return { standings };
}

async function settle(
  limiter: Limiter | undefined,
  external: ReadonlyMap<number, PointsLimiter>,
  corrections: readonly LimitCorrection[],
): Promise<void> {
  const common = corrections.filter((correction) => !external.has(correction.rule));
  if (limiter !== undefined && common.length > 0) await limiter.settle(common);
  for (const correction of corrections) {
    const own = external.get(correction.rule);
    const more = correction.actual - correction.units;
    if (more > 0) await own?.penalty?.(correction.key, more);
    if (more < 0) await own?.reward?.(correction.key, -more);
  }
}

/** A claim of no units only asks. */
async function consume(own: PointsLimiter, claim: LimitClaim): Promise<PointsState | undefined> {
  if (claim.units > 0) return await own.consume(claim.key, claim.units);
  return (await own.get?.(claim.key)) ?? undefined;
}

async function giveBack(
  limiter: Limiter | undefined,
  external: ReadonlyMap<number, PointsLimiter>,
  common: readonly LimitClaim[],
  taken: readonly LimitClaim[],
): Promise<void> {
  const all = limiter === undefined ? taken : [...common, ...taken];
  await settle(
    limiter,
    external,
    all.map((claim) => ({ ...claim, actual: 0 })),
  );
}

function standing(claim: LimitClaim, own: PointsLimiter, state: PointsState): LimitStanding {
  return {
    rule: claim.rule,
    remaining: Math.max(0, state.remainingPoints),
    resetMs: Math.max(0, Math.ceil(state.msBeforeNext)),
    ...(typeof own.points === "number" && { limit: own.points }),
    ...(typeof own.duration === "number" && { windowMs: own.duration * 1000 }),
  };
}

function isState(reason: unknown): reason is PointsState {
  return typeof (reason as PointsState | null)?.msBeforeNext === "number";
}

/** Numbers as native code reads them, whatever a limiter gave. */
function readAnswer(answer: LimitAnswer): Pick<LimitAnswer, "refused"> & {
  standings: LimitStanding[];
} {
  if (typeof answer !== "object" || answer === null) {
    throw new TypeError("The limiter's take() must resolve to an object { refused?, standings? }.");
  }
  const whole = (value: number | undefined) =>
    value === undefined || !Number.isFinite(value) ? undefined : Math.max(0, Math.ceil(value));
  const standings = (answer.standings ?? []).map((known) => ({
    ...known,
    resetMs: whole(known.resetMs),
    windowMs: whole(known.windowMs),
  }));
  if (answer.refused == null) return { standings };
  const { rule, retryAfterMs } = answer.refused;
  return { refused: { rule, retryAfterMs: whole(retryAfterMs) }, standings };
}
