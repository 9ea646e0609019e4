// What is sent: the key in its header, the model as it is, and every option or a warning of it.

import assert from "node:assert/strict";
import { BYOKError } from "../../errors.js";
import type { CaseDefinition } from "../provider.js";
import { CALLS, type CallKind } from "./calls.js";
import { answer, ProviderServer, redirect } from "./server.js";
import { sentOnce, textOf } from "./wire.js";

/** An option, and how it shows in a request when it was sent. */
type Probe = readonly [option: string, value: unknown, shows: RegExp];

const CHAT: readonly Probe[] = [
  ["system", "SYSTEM-TEXT", /SYSTEM-TEXT/],
  ["maxTokens", 777, /777/],
  ["temperature", 0.625, /0\.625/],
  ["topP", 0.875, /0\.875/],
  ["stop", ["STOP-WORD"], /STOP-WORD/],
  ["seed", 4711, /4711/],
  [
    "tools",
    [{ name: "lookup_tool", parameters: { type: "object", properties: {} } }],
    /lookup_tool/,
  ],
  [
    "output",
    {
      type: "object",
      properties: { unusualField: { type: "string" } },
      required: ["unusualField"],
      additionalProperties: false,
    },
    /unusualField|json_object/,
  ],
  ["reasoning", { effort: "high" }, /high|budget|thinking/i],
];
const SPEECH: readonly Probe[] = [
  ["voice", "VOICE-X", /VOICE-X/i],
  ["format", "mp3", /mp3|mpeg/i],
  ["speed", 1.25, /1\.25/],
  ["instructions", "INSTRUCTIONS-X", /INSTRUCTIONS-X/],
  ["language", "de", /"de"|=de\b/],
];
const PROBES: Record<CallKind, readonly Probe[]> = {
  chat: CHAT,
  chatStream: CHAT,
  embed: [
    ["dimensions", 321, /321/],
    ["inputType", "query", /query/i],
  ],
  textToSpeech: SPEECH,
  textToSpeechStream: SPEECH,
  speechToText: [
    ["language", "de", /"de"|\bde\r\n|=de\b|language de\b/i],
    ["prompt", "PROMPT-X", /PROMPT-X/],
    ["temperature", 0.375, /0\.375/],
    ["diarize", true, /diari|speaker/i],
  ],
  generateImage: [
    ["size", "1024x1536", /1024.{0,12}1536|2:3/s],
    ["aspectRatio", "16:9", /16:9|\d{3,4}.{0,12}\d{3,4}/s],
    ["quality", "high", /high|hd/i],
    ["background", "transparent", /transparent/],
    ["format", "webp", /webp/],
    ["seed", 4711, /4711/],
  ],
};

export const requestCases: readonly CaseDefinition[] = [
  {
    does: "sends the key in one header to the provider's own address, and says who served",
    async run(c) {
      const outcome = await c.attempt(c.good);
      const [seen, ...more] = c.server.take();
      assert.deepEqual(more, [], "one request");
      sentOnce(c, seen);
      assert.equal(outcome.provider, c.provider);
      assert.ok(Array.isArray(outcome.warnings));
      return undefined;
    },
  },
  {
    does: "passes a model on that nobody knows",
    async run(c) {
      if (c.fixture.takesModel === false) return "the API takes no model";
      const model = "no-such-model-2099";
      await c.attempt(c.good, { model });
      const [seen] = c.server.take();
      assert.ok(seen && textOf(seen).includes(model), "the model's name is in the request");
      return undefined;
    },
  },
  {
    does: "sends every option, or warns that it did not",
    async run(c) {
      const user = await c.user();
      c.server.behave(c.good);
      for (const [option, value, shows] of PROBES[c.call]) {
        const outcome = await c.run(user, { [option]: value }).catch((error: unknown) => {
          // To refuse the option is not silence either.
          assert.ok(error instanceof BYOKError && error.code === "INVALID_ARGUMENT", String(error));
          return undefined;
        });
        const [seen] = c.server.take();
        if (outcome === undefined) continue;
        const warned = outcome.warnings?.some((warning) => warning.option.startsWith(option));
        const sent = seen !== undefined && shows.test(textOf(seen));
        assert.ok(warned || sent, `${option} was neither sent nor warned of`);
      }
      return undefined;
    },
  },
  {
    does: "merges providerOptions into the request",
    async run(c) {
      await c.attempt(c.good, { providerOptions: { conformance_option: "OPTION-X" } });
      const [seen] = c.server.take();
      assert.match(seen ? textOf(seen) : "", /conformance_option.*OPTION-X/s);
      return undefined;
    },
  },
  {
    does: "refuses credentials in the caller's headers",
    async run(c) {
      for (const name of ["authorization", "X-Api-Key", "cookie"]) {
        const headers = { [name]: "mine" };
        await c.fails("INVALID_ARGUMENT", c.good, { headers });
      }
      assert.deepEqual(c.server.take(), [], "nothing was sent");
      return undefined;
    },
  },
  {
    does: "follows no redirect, and the other server hears nothing",
    async run(c) {
      const other = await ProviderServer.start(answer({}));
      try {
        for (const target of [other.origin, c.server.origin]) {
          const error = await c.fails("PROVIDER_ERROR", redirect(`${target}/elsewhere?secret=1`));
          assert.doesNotMatch(error.message, /elsewhere|secret/);
          assert.equal(c.server.take().length, 1);
        }
        assert.deepEqual(other.requests, []);
      } finally {
        await other.close();
      }
      return undefined;
    },
  },
  {
    does: "says what was consumed",
    async run(c) {
      const { capability } = CALLS[c.call];
      const isExpected = c.fixture.usage ?? capability === "chat";
      if (!isExpected || c.call === "textToSpeechStream") return "the answers do not say";
      const { usage = {} } = await c.attempt(c.good);
      const counts = Object.values(usage).filter((count: unknown) => Number(count) > 0);
      assert.ok(counts.length > 0, `usage is ${JSON.stringify(usage)}`);
      return undefined;
    },
  },
];
