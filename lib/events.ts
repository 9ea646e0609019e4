// What the library tells of its own accord: to listeners of one BYOK, and on the diagnostics channel
// `byok-ai:event`. Native code holds the module-level function, which knows the listeners only.

import { channel } from "node:diagnostics_channel";
import { invalidArgument } from "./errors.js";
import { nearest } from "./suggest.js";
import type { BYOKEvents } from "./types.js";

const NAMES: readonly (keyof BYOKEvents)[] = [
  "key.invalid",
  "key.recovered",
  "key.rateLimited",
  "circuit.opened",
  "circuit.closed",
  "limiter.failed",
  "usage.failed",
  "health.failed",
];

const events = channel("byok-ai:event");

type Listener = (event: never) => void;
export type Listeners = Map<keyof BYOKEvents, Set<Listener>>;

/** @throws INVALID_ARGUMENT for an event that there is not */
export function checkEvent(name: unknown, listener: unknown, where: string): void {
  if (!NAMES.includes(name as keyof BYOKEvents)) {
    const near = nearest(String(name), NAMES);
    throw invalidArgument(
      `${where}: there is no event ${JSON.stringify(name)}. ${near ? `Did you mean ${JSON.stringify(near)}?` : `There are ${NAMES.join(", ")}.`}`,
    );
  }
  if (typeof listener !== "function") throw invalidArgument(`${where} needs a function.`);
}

/** The function that native code calls. Never throws. */
export function noticeCallback(
  listeners: Listeners,
): (op: string, json: string) => Promise<string> {
  return async (_, json) => {
    const { type, ...event } = JSON.parse(json) as { type: keyof BYOKEvents };
    publish(type, event);
    for (const listener of listeners.get(type) ?? []) {
      try {
        listener(event as never);
      } catch (error) {
        // As an EventTarget does: the listener's own mistake, not this library's.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return '{"ok":null}';
  };
}

function publish(type: keyof BYOKEvents, event: object): void {
  if (events.hasSubscribers) events.publish({ type, ...event });
}
