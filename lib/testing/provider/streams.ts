// Streams: an end that is not the end, an end in other pieces, and a reader who leaves.

import assert from "node:assert/strict";
import type { CaseDefinition } from "../provider.js";
import { CALLS } from "./calls.js";
import { bytesOf, cutShort } from "./server.js";

export const streamCases: readonly CaseDefinition[] = [
  {
    does: "takes no stream that ends after some of its events for a whole one",
    calls: ["chatStream"],
    async run(c) {
      if (c.fixture.stream === undefined) return "the provider does not stream";
      const whole = await c.attempt(c.good);
      const { body, contentType } = c.sample;
      const events = bytesOf(body)
        .toString()
        .split(/(?<=\r?\n\r?\n)/);
      assert.ok(events.length > 1, "the fixture has more than one event");
      const user = await c.user();
      for (let count = 0; count < events.length; count++) {
        const cut = Buffer.from(events.slice(0, count).join(""));
        c.server.behave(cutShort(cut, contentType));
        const outcome = await c.run(user, {}).catch(() => undefined);
        if (outcome === undefined) {
          await c.rejects("STREAM_INTERRUPTED|BAD_RESPONSE", () => c.run(user, {}));
          continue;
        }
        // What is missing may be no more than a mark after the end.
        const seen = [outcome.text, outcome.finishReason, outcome.usage];
        assert.deepEqual(seen, [whole.text, whole.finishReason, whole.usage], `${count} events`);
      }
      return undefined;
    },
  },
  {
    does: "reads the same from other pieces of the network",
    calls: ["chatStream", "textToSpeechStream"],
    async run(c) {
      const whole = await c.attempt(c.good);
      const { body, contentType } = c.sample;
      const bytes = bytesOf(body);
      const size = Math.max(1, Math.ceil(bytes.length / 7));
      const outcome = await c.attempt(async (_, response) => {
        response.writeHead(200, { "content-type": contentType });
        for (let at = 0; at < bytes.length; at += size) {
          response.write(bytes.subarray(at, at + size));
          await new Promise((resolve) => setImmediate(resolve));
        }
        response.end();
      });
      assert.deepEqual(outcome, whole);
      return undefined;
    },
  },
  {
    does: "closes the connection when the reader leaves",
    calls: ["chatStream", "textToSpeechStream"],
    async run(c) {
      const call = CALLS[c.call];
      if (!("leave" in call)) return "not a stream";
      const { body, contentType } = c.sample;
      if (c.call === "chatStream" && c.fixture.stream === undefined) return "it does not stream";
      if (/json/.test(contentType)) return "the answer is read when it is whole";
      const user = await c.user();
      const bytes = bytesOf(body);
      c.server.behave((_, response) => {
        response.writeHead(200, { "content-type": contentType });
        response.write(bytes.subarray(0, bytes.length - 1));
      });
      await call.leave(user, c.request());
      await c.server.take()[0]?.left;
      return undefined;
    },
  },
];
