// Raw events, page by page: as objects, and as NDJSON for files and warehouses.

import type { Engine } from "../engine.js";
import { encodeJson } from "../request.js";
import type { UsageEvent, UsageFilter } from "../types.js";
import { encodeUsageFilter } from "./options.js";

interface Page {
  events: UsageEvent[];
  next?: { atMs: number; id: string };
}

/** Pages of events in the order of time; the next one is read when it is asked for. */
export async function* usagePages(
  engine: Engine,
  filter: UsageFilter,
  where: string,
): AsyncGenerator<UsageEvent[], void, undefined> {
  const encoded = encodeUsageFilter(filter, where);
  let after: Page["next"];
  do {
    const payload = { json: encodeJson({ ...encoded, after }, where), bytes: null };
    const page: Page = await engine.call("exportUsage", payload, filter.signal);
    if (page.events.length > 0) yield page.events;
    after = page.next;
  } while (after !== undefined);
}

/** One JSON text a line. */
export function ndjson(pages: AsyncGenerator<UsageEvent[]>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pages.next();
        if (done) return controller.close();
        const lines = value.map((event) => `${JSON.stringify(event)}\n`);
        controller.enqueue(encoder.encode(lines.join("")));
      },
      async cancel() {
        await pages.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
