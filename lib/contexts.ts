// The asynchronous context (AsyncLocalStorage, and with it OpenTelemetry's) of calls that are on their way
// through native code, so that stores and limiters of the application are called in it and not in none.

import { AsyncLocalStorage } from "node:async_hooks";

type Run = <T>(work: () => T) => T;

const contexts = new Map<number, Run>();
let lastId = 0;

/** Keeps the current context until `leaveContext`. 0, for none, where the runtime can't do it. */
export function enterContext(): number {
  if (typeof AsyncLocalStorage.snapshot !== "function") return 0;
  lastId = (lastId % 0xffff_ffff) + 1;
  contexts.set(lastId, AsyncLocalStorage.snapshot());
  return lastId;
}

export function leaveContext(id: number): void {
  if (id !== 0) contexts.delete(id);
}

/** Runs what native code asks for in the context of the call that it asks for. */
export function inContext<T>(id: number, work: () => T): T {
  const run = contexts.get(id);
  return run === undefined ? work() : run(work);
}

const abandoned = new FinalizationRegistry<number>(leaveContext);

/** Leaves the context with an object that nobody holds any more: a stream of which no end is seen. */
export function leaveWith(object: object, id: number): void {
  if (id !== 0) abandoned.register(object, id);
}

/** How many are kept, for tests. */
export function keptContexts(): number {
  return contexts.size;
}
