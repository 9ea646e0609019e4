// Answers that are none: whatever arrives with a status of success and can't be read is an error.

import type { CaseDefinition } from "../provider.js";
import { answer, bytesOf } from "./server.js";

const PAGE = "<!doctype html><html><body>502 Bad Gateway</body></html>";
/** A stream that says nothing has broken off as much as it is no answer. */
const UNREADABLE = "BAD_RESPONSE|STREAM_INTERRUPTED";

export const answerCases: readonly CaseDefinition[] = [
  {
    does: "takes no page, no empty body and no half of JSON for an answer",
    async run(c) {
      await c.fails(UNREADABLE, answer(PAGE, "text/html"));
      await c.fails(UNREADABLE, answer("", c.sample.contentType));
      await c.fails(UNREADABLE, answer('{"half": [1, 2', "application/json"));
      await c.fails(UNREADABLE, answer("null", "application/json"));
      return undefined;
    },
  },
  {
    does: "takes no JSON of another kind for an answer",
    async run(c) {
      await c.fails(UNREADABLE, answer({ unexpected: [{ shape: true }] }));
      await c.fails(UNREADABLE, answer([]));
      return undefined;
    },
  },
  {
    does: "takes no answer that ends early for a whole one",
    async run(c) {
      const { body, contentType } = c.sample;
      if (!/json/.test(contentType)) return "the answer is not JSON";
      const bytes = bytesOf(body);
      for (const part of [1, Math.floor(bytes.length / 3), bytes.length - 1]) {
        await c.fails(UNREADABLE, answer(bytes.subarray(0, part), contentType));
      }
      return undefined;
    },
  },
];
