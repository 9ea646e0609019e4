// EXPECTED.json as a third reading: what its authors say each recorded exchange should parse to.

import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { FinishReason } from "../../dist/index.js";
import type { Json, Recording } from "./recordings.js";
import {
  anthropicUsage,
  finishOfAnswer,
  finishOfCompletion,
  finishOfMessage,
  geminiUsage,
  type Reading,
} from "./sdks.js";

/** What differs between a reading and EXPECTED.json, in words; nothing where it has no such exchange. */
export function differencesFromExpected(recording: Recording, reading: Reading): string[] {
  const { expected } = recording;
  if (!expected) return [];
  const counts = expectedCounts(recording);
  const usage = Object.entries(counts).map(([name, count]) => [
    `usage.${name}`,
    reading.usage[name as keyof Reading["usage"]],
    count,
  ]);
  const pairs: Json[][] = [
    ["text", textHash(reading.text), expected.text_sha256_16],
    ["calls", reading.calls, expectedCalls(expected)],
    ["finishReason", reading.finishReason, expectedFinish(recording, reading.calls.length > 0)],
    ...usage,
  ];
  return pairs
    .filter(([, ours, theirs]) => !isDeepStrictEqual(ours, theirs))
    .map(([what, ours, theirs]) => {
      return `${what} is ${JSON.stringify(ours)}, in EXPECTED.json ${JSON.stringify(theirs)}`;
    });
}

/** EXPECTED.json's hash of a text: the first 16 hex digits of its SHA-256. */
function textHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function expectedCalls(expected: Json): Reading["calls"] {
  // No arguments at all mean none.
  return (expected.tool_calls ?? []).map((call: Json) => [
    call.name,
    call.args === "" ? {} : call.args,
  ]);
}

function expectedFinish({ api, expected }: Recording, hasCalls: boolean): FinishReason {
  if (api === "messages") return finishOfMessage(expected.finish);
  if (api === "generate-content") return finishOfAnswer(expected.finish, hasCalls);
  const word = expected.finish ?? (expected.status === "completed" ? "stop" : expected.status);
  return finishOfCompletion(word, hasCalls);
}

function expectedCounts({ api, expected }: Recording): Partial<Reading["usage"]> {
  const usage: Json = expected.usage ?? {};
  if (api === "messages") {
    const { input, output } = anthropicUsage(usage);
    return { input, output };
  }
  if (api === "generate-content") {
    const { output, total } = geminiUsage(usage);
    return { output, total };
  }
  const known = (name: string) => usage[`completion_${name}`] ?? usage[`output_${name}`];
  const input = usage.prompt_tokens ?? usage.input_tokens ?? 0;
  let output = known("tokens") ?? 0;
  const reasoning = known("tokens_details.reasoning_tokens");
  const cached =
    usage["prompt_tokens_details.cached_tokens"] ?? usage["input_tokens_details.cached_tokens"];
  if (reasoning > 0 && usage.total_tokens === input + output + reasoning) output += reasoning;
  return {
    input,
    output,
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(cached === undefined ? {} : { cached }),
  };
}
