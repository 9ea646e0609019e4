// The library set up against the practice provider, with a fault before each provider's path, and the
// check of an error's code.

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { BYOK, BYOKError, type BYOKOptions, MemoryStore } from "../../dist/index.js";
import type { Practice } from "./practice.js";

export const PROVIDERS = ["openai", "anthropic", "gemini"] as const;
export type Provider = (typeof PROVIDERS)[number];
export const MASTER = Buffer.alloc(32, "a fine master key \x01\x02").toString("base64");

export const keyOf = (practice: Practice, provider: Provider): string => practice[`${provider}Key`];

/** Settings of the three providers at the practice provider; `fault` is a path such as `/fault/stall`. */
export function providersAt(practice: Practice, fault = "", more: object = {}) {
  const at = (path: string) => ({
    baseURL: `${practice.origin}${fault}${path}`,
    allowPrivateNetwork: true,
    ...more,
  });
  return { openai: at("/openai/v1"), anthropic: at("/anthropic"), gemini: at("/gemini/v1beta") };
}

export function libraryAt(
  practice: Practice,
  options: Partial<BYOKOptions> = {},
  fault = "",
): BYOK {
  return new BYOK({
    ...(options.masterKeys ? {} : { masterKey: MASTER }),
    store: new MemoryStore(),
    providers: providersAt(practice, fault),
    // A key that was refused on purpose goes on being sent.
    health: { invalidAfter: 0 },
    ...options,
  });
}

/** For `assert.rejects` and `assert.throws`: an error of this code whose message matches. */
export const failsWith =
  (code: string, message = /./) =>
  (error: unknown): true => {
    assert.ok(error instanceof BYOKError, inspect(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
