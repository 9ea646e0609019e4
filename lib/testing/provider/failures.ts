// Failed answers: the code that each status gives, also when the body repeats the key, and the retries.

import assert from "node:assert/strict";
import type { CaseDefinition } from "../provider.js";
import { answer } from "./server.js";
import { echoing } from "./wire.js";

const STATUSES: readonly [status: number, codes: string][] = [
  [400, "PROVIDER_ERROR"],
  [401, "KEY_INVALID"],
  [402, "QUOTA_EXCEEDED"],
  [403, "PERMISSION_DENIED"],
  [404, "PROVIDER_ERROR|MODEL_NOT_FOUND"],
  [429, "PROVIDER_RATE_LIMITED|QUOTA_EXCEEDED"],
  [500, "PROVIDER_UNAVAILABLE"],
  [503, "PROVIDER_UNAVAILABLE"],
];

export const failureCases: readonly CaseDefinition[] = [
  {
    does: "gives each status its code, and no error the key that the provider repeats",
    async run(c) {
      for (const [status, usual] of STATUSES) {
        const codes = c.options.statuses?.[status] ?? usual;
        for (const behaviour of [
          echoing(c, status),
          answer("", "text/plain", status),
          answer(`<html>${c.key}</html>`, "text/html", status),
        ]) {
          const error = await c.fails(codes, behaviour);
          assert.equal(error.status, status);
          assert.equal(error.provider, c.provider);
        }
      }
      return undefined;
    },
  },
  {
    does: "tries again after a failure that passes, and not after one that stays",
    async run(c) {
      const user = await c.user();
      let failures = 1;
      c.server.behave((request, response) => {
        if (failures-- > 0) {
          response.writeHead(503, { "retry-after": "0" }).end();
          return;
        }
        return c.good(request, response);
      });
      await c.run(user, { maxRetries: 2 });
      assert.equal(c.server.take().length, 2, "once more after 503");
      c.server.behave(answer({}, "application/json", 401));
      await c.rejects("KEY_INVALID", () => c.run(user, { maxRetries: 2 }));
      assert.equal(c.server.take().length, 1, "not again after 401");
      return undefined;
    },
  },
];
