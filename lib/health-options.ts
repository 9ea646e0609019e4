// Checks of the `health` and `hooks` options.

import { checkOptions, type OptionTable } from "./options.js";
import type { HealthOptions } from "./types.js";

const whole =
  (least: number): OptionTable[string] =>
  (value, path) =>
    Number.isSafeInteger(value) && (value as number) >= least
      ? undefined
      : `${path} must be a whole number of at least ${least}.`;

const CIRCUIT: OptionTable = { failures: whole(1), openMs: whole(1) };

const HEALTH: OptionTable = {
  invalidAfter: whole(0),
  recheckMs: whole(1),
  circuit: (value, path) => {
    if (typeof value !== "boolean") checkOptions(value, CIRCUIT, path);
    return undefined;
  },
};

/** The option as native code reads it.
 * @throws INVALID_ARGUMENT naming the option */
export function prepareHealth(health: HealthOptions | undefined): object {
  checkOptions(health ?? {}, HEALTH, "health");
  const { circuit, ...rest } = health ?? {};
  if (circuit === undefined || circuit === false) return rest;
  return { ...rest, circuit: circuit === true ? {} : circuit };
}

const listener: OptionTable[string] = (value, path) =>
  typeof value === "function" ? undefined : `${path} must be a function.`;

export const HOOKS: OptionTable = {
  onRequest: listener,
  onResponse: listener,
  onError: listener,
};
