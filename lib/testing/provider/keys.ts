// Registration: where the key goes, what each outcome of the live check is, and that nothing is stored
// unless it was good.

import assert from "node:assert/strict";
import type { CaseDefinition } from "../provider.js";
import type { Context } from "./context.js";
import { answer, type Behaviour, hangUp, redirect, silence } from "./server.js";
import { echoing, sentOnce } from "./wire.js";

const OUTCOMES: readonly [does: string, codes: string, behaviour: (c: Context) => Behaviour][] = [
  ["401", "KEY_REJECTED", (c) => echoing(c, 401)],
  ["403", "PERMISSION_DENIED", (c) => echoing(c, 403)],
  ["429", "PROVIDER_RATE_LIMITED|QUOTA_EXCEEDED", (c) => echoing(c, 429)],
  ["500", "PROVIDER_UNAVAILABLE", (c) => echoing(c, 500)],
  ["a redirect", "PROVIDER_ERROR", () => redirect("http://localhost:9/elsewhere")],
  ["a closed connection", "PROVIDER_UNAVAILABLE", () => hangUp],
  ["silence", "TIMEOUT", () => silence],
];

export const keyCases: readonly CaseDefinition[] = [
  {
    does: "tries a key with its provider, in one header, and stores it as active",
    async run(c) {
      const { byok, userId, provider, apiKey } = c;
      c.server.behave(answer({}));
      const info = await byok.registerKey({ userId, provider, apiKey });
      c.holdsNoKey(info);
      c.holdsNoKey(byok);
      assert.equal(info.status, "active");
      const seen = c.server.take();
      assert.equal(seen.length, 1, "one request is enough to try a key");
      sentOnce(c, seen[0]);
      return undefined;
    },
  },
  ...OUTCOMES.map(
    ([what, codes, behaviour]): CaseDefinition => ({
      does: `answers ${what} with ${codes} and stores nothing`,
      async run(c) {
        const { byok, userId, provider, apiKey } = c;
        c.server.behave(behaviour(c));
        const timeoutMs = what === "silence" ? 250 : 10_000;
        const options = { userId, provider, apiKey, timeoutMs };
        await c.rejects(codes, () => byok.registerKey(options));
        assert.equal(await byok.hasKey({ userId, provider }), false);
        return undefined;
      },
    }),
  ),
  {
    does: "finds a stored key that stopped working, and one that works again",
    async run(c) {
      const { byok, userId, provider, apiKey } = c;
      await byok.registerKey({ userId, provider, apiKey, validate: "format" });
      c.server.behave(echoing(c, 401));
      await c.rejects("KEY_INVALID", () => byok.verifyKey({ userId, provider }));
      const [stored] = await byok.listKeys({ userId });
      assert.equal(stored?.status, "invalid");
      c.holdsNoKey(stored);
      c.server.behave(answer({}));
      assert.equal((await byok.verifyKey({ userId, provider })).status, "active");
      return undefined;
    },
  },
];
