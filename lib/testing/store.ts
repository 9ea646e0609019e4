// The conformance suite of key stores: what every `KeyStore` must do, as named cases for any test
// runner. It knows the interface alone, no store product and no runner; the cases themselves stand
// in the folder of the same name.

import assert from "node:assert/strict";
import type { KeyStore } from "../types.js";
import { bulkCases } from "./store/bulk.js";
import { lostCases } from "./store/lost.js";
import { raceCases } from "./store/race.js";
import { reopenCases } from "./store/reopen.js";
import { singleCases } from "./store/single.js";
import { vaultCases } from "./store/vault.js";
import { walkCases } from "./store/walk.js";

/** The methods that a store may leave out. */
export type OptionalMethod = "replace" | "replaceMany" | "scan" | "close";

export interface StoreConformanceOptions {
  /** What the cases' names begin with, for example `"PostgresStore"`. */
  name: string;
  /** A new, empty store; called once a case. Cases run one after the other unless your runner does
   * otherwise, so emptying a shared table here is fine then. */
  create(): KeyStore | Promise<KeyStore>;
  /** Another store object over the data of this one, as another process or a restart would open it.
   * Without it, nothing is said about durability and about several processes. */
  reopen?: ((store: KeyStore) => KeyStore | Promise<KeyStore>) | undefined;
  /** Breaks the connection of this store for good, as an application does that ends its pool. Without
   * it, nothing is said about a lost connection. */
  disconnect?: ((store: KeyStore) => unknown) | undefined;
  /** Called after each case with the store that `create` made, closed already if it has `close`. */
  dispose?: ((store: KeyStore) => unknown) | undefined;
  /** Optional methods that this store is meant to have: a case fails when one is missing. Those not
   * named here are tested where the store has them. */
  requires?: readonly OptionalMethod[] | undefined;
  /** How many calls the races have in flight at once. Default 16. */
  concurrency?: number | undefined;
}

export interface StoreCase {
  /** A sentence: the store's name and what it does. */
  name: string;
  /** Rejects when the store does otherwise. `skip` is called with the reason instead when the store
   * lacks an optional method, or the options lack `reopen` or `disconnect`. */
  run(skip?: (reason: string) => void): Promise<void>;
}

/** What a case gets to work with. */
export interface CaseContext {
  store: KeyStore;
  concurrency: number;
  /** A second store object over the same data, closed after the case. */
  reopen(): Promise<KeyStore>;
  disconnect(): Promise<void>;
}

export interface CaseDefinition {
  does: string;
  needs?: readonly (OptionalMethod | "reopen" | "disconnect")[];
  run(context: CaseContext): Promise<void>;
}

const DEFINITIONS: readonly CaseDefinition[] = [
  ...singleCases,
  ...raceCases,
  ...bulkCases,
  ...walkCases,
  ...reopenCases,
  ...vaultCases,
  ...lostCases,
];

/**
 * The cases that a store must pass, for a runner of your choice.
 *
 * @example
 * ```ts
 * for (const { name, run } of storeConformance({ name: "MyStore", create: () => new MyStore() })) {
 *   test(name, () => run());
 * }
 * ```
 */
export function storeConformance(options: StoreConformanceOptions): StoreCase[] {
  return DEFINITIONS.map((definition) => ({
    name: `${options.name}: ${definition.does}`,
    run: (skip) => runCase(definition, options, skip),
  }));
}

/**
 * Registers the cases with a runner's `test` function: that of `node:test`, or another that takes a
 * name and an async function. Under `node:test`, a case that doesn't apply is shown as skipped.
 *
 * @example
 * ```ts
 * import { test } from "node:test";
 * registerStoreConformance(test, { name: "MyStore", create: () => new MyStore() });
 * ```
 */
export function registerStoreConformance(
  test: (name: string, run: (context?: unknown) => Promise<void>) => unknown,
  options: StoreConformanceOptions,
): void {
  for (const { name, run } of storeConformance(options)) {
    test(name, (context) => run(skipOf(context)));
  }
}

function skipOf(context: unknown): ((reason: string) => void) | undefined {
  const runner = context as { skip?: (reason: string) => void } | null | undefined;
  return typeof runner?.skip === "function" ? (reason) => runner.skip?.(reason) : undefined;
}

async function runCase(
  definition: CaseDefinition,
  options: StoreConformanceOptions,
  skip: ((reason: string) => void) | undefined,
): Promise<void> {
  const { reopen, disconnect } = options;
  const store = await options.create();
  const opened = [store];
  try {
    for (const method of options.requires ?? []) {
      assert.equal(typeof store[method], "function", `the store must have ${method}()`);
    }
    for (const need of definition.needs ?? []) {
      const isOption = need === "reopen" || need === "disconnect";
      if ((isOption ? options[need] : store[need]) != null) continue;
      skip?.(isOption ? `no ${need} option` : `the store has no ${need}()`);
      return;
    }
    await definition.run({
      store,
      concurrency: options.concurrency ?? 16,
      async reopen() {
        assert.ok(reopen !== undefined);
        const another = await reopen(store);
        opened.push(another);
        return another;
      },
      async disconnect() {
        await disconnect?.(store);
      },
    });
  } finally {
    for (const each of opened) await each.close?.();
    await options.dispose?.(store);
  }
}
