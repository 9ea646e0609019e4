// Calls that end before their answer: by time, by the caller, or by the connection.

import assert from "node:assert/strict";
import type { CaseDefinition } from "../provider.js";
import { breakOff, hangUp, silence } from "./server.js";

export const interruptionCases: readonly CaseDefinition[] = [
  {
    does: "gives a silent provider up in time, and closes the connection",
    async run(c) {
      await c.fails("TIMEOUT", silence, { timeoutMs: 250 });
      // On a machine that is busy the time may be up before the request is out.
      await c.server.take()[0]?.left;
      return undefined;
    },
  },
  {
    does: "ends with the caller's signal, and closes the connection",
    async run(c) {
      const user = await c.user();
      const controller = new AbortController();
      let arrived = () => {};
      const asked = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      c.server.behave(() => arrived());
      const call = c.rejects("ABORTED", () => c.run(user, { signal: controller.signal }));
      await asked;
      controller.abort(new Error("enough"));
      const error = await call;
      assert.equal(error.name, "AbortError");
      await c.server.take()[0]?.left;
      return undefined;
    },
  },
  {
    does: "says that an answer broke off, and that there was none",
    async run(c) {
      const { body, contentType } = c.sample;
      await c.fails("STREAM_INTERRUPTED", breakOff(body, contentType));
      await c.fails("PROVIDER_UNAVAILABLE", hangUp);
      return undefined;
    },
  },
];
