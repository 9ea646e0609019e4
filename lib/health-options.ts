// Checks of the `health` and `hooks` options.

import { callback, checkOptions, type OptionTable, whole } from "./options.js";
import type { HealthOptions } from "./types.js";

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

export const HOOKS: OptionTable = {
  onRequest: callback,
  onResponse: callback,
  onError: callback,
};
