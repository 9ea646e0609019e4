// A usage sink in JavaScript for the native side: one function that never throws and always resolves to an
// envelope.

import { keepCause } from "../causes.js";
import type { UsageSink, UsageSinkQuery } from "../types.js";

/** Nothing without a sink. */
export function usageCallback(
  sink: UsageSink | undefined,
): ((op: string, json: string) => Promise<string>) | null {
  if (sink === undefined) return null;
  return (op, json) => call(sink, op, json);
}

async function call(sink: UsageSink, op: string, json: string): Promise<string> {
  try {
    return JSON.stringify({ ok: (await perform(sink, op, JSON.parse(json))) ?? null });
  } catch (cause) {
    const code = cause instanceof CannotAnswer ? "INVALID_ARGUMENT" : "STORE_ERROR";
    const message =
      cause instanceof CannotAnswer
        ? cause.message
        : `The usage sink's ${op}() failed. The cause is its own exception.`;
    return JSON.stringify({ error: { code, message, causeId: keepCause(cause) } });
  }
}

class CannotAnswer extends Error {}

// biome-ignore lint/suspicious/noExplicitAny: the arguments were written by the native side, a shape an op
async function perform(sink: UsageSink, op: string, args: any): Promise<unknown> {
  switch (op) {
    case "write":
      await sink.write(args);
      return null;
    case "query":
      if (sink.query === undefined) throw cannot("query");
      return await sink.query(args as UsageSinkQuery);
    case "events":
      if (sink.events === undefined) throw cannot("events");
      return await sink.events({ ...args, after: args.after ?? undefined });
    case "close":
      await sink.close?.();
      return null;
    default:
      throw new Error(`A usage sink has no method ${op}.`);
  }
}

function cannot(method: string): CannotAnswer {
  return new CannotAnswer(
    `The usage sink only keeps events: it has no ${method}(). Ask where it keeps them, or give it ${method}().`,
  );
}
