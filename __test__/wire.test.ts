// What goes over the wire: every feature of a chat request, sent by the real addon through each
// protocol, against the providers' API descriptions, the official SDKs' types and a strict mock server.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { ChatRequest, Warning } from "../dist/index.js";
import { BYOK, BYOKError } from "../dist/index.js";
import { type Recorded, type Recorder, startRecorder } from "./support/recorder.js";
import { type Body, TYPED, typeErrors } from "./support/sdk-types.js";
import { closedDocument, document, haveSpecs, validator } from "./support/specs.js";
import { startStrictMock } from "./support/strict-mock.js";
import { CASES, type WireCase } from "./support/wire-cases.js";
import { TARGETS, type Target } from "./support/wire-targets.js";

const KEY = "canary-key-0123456789abcdefghijk";
const CREDENTIALS = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "x-api-key",
  "x-goog-api-key",
  "api-key",
  "xi-api-key",
];
/** Wrong in every protocol. */
const SPOILT = { contents: 7, messages: 7, input: 7, stream: "x", store: "x", tools: 7 };
const ABSENT = "the API descriptions are not beside the repository (../shared/specs)";

/** What each target was sent, by case. */
const bodies = new Map<string, Body[]>(TARGETS.map((target) => [target.name, []]));
let recorder: Recorder;
let byok: BYOK;

before(async () => {
  recorder = await startRecorder();
  const providers: Record<string, object> = {};
  for (const { provider, base } of TARGETS) {
    providers[provider] = {
      baseURL: recorder.origin + base,
      allowPrivateNetwork: true,
      maxRetries: 0,
    };
  }
  byok = new BYOK({ masterKey: randomBytes(32), providers });
  for (const provider of Object.keys(providers)) {
    await byok.registerKey({ userId: "u", provider, apiKey: KEY, validate: "format" });
  }
});

after(async () => {
  recorder?.stop();
  await byok?.close();
});

/** Sends one case; the warnings of its result. */
async function send(target: Target, wireCase: WireCase): Promise<Warning[]> {
  const { provider, model } = target;
  const request = wireCase.request(target.name);
  const providerOptions = { ...target.providerOptions, ...request.providerOptions };
  const whole: ChatRequest = { ...request, provider, model, providerOptions };
  const user = byok.use("u");
  const result = wireCase.stream ? await user.chatStream(whole).result : await user.chat(whole);
  assert.equal(result.finishReason, "stop");
  return result.warnings;
}

function checkEnvelope(target: Target, request: Recorded, method: string, path: string) {
  assert.equal(request.method, method);
  assert.equal(request.path, target.base + path);
  const [header, prefix] = target.credential;
  const sent = request.headerNames.filter((name) => CREDENTIALS.includes(name));
  assert.deepEqual(sent, [header], "exactly one credential header");
  assert.equal(request.headers[header], prefix + KEY);
  const rest = { ...request.headers, [header]: "" };
  assert.ok(!(request.path + request.text + JSON.stringify(rest)).includes(KEY));
  for (const [name, value] of Object.entries(target.headers)) {
    assert.equal(request.headers[name], value);
  }
}

for (const target of TARGETS) {
  describe(`what ${target.name} is sent`, () => {
    const validate = haveSpecs ? validator(...target.spec) : undefined;
    if (!validate) console.log(`Bodies for ${target.name} are not validated: ${ABSENT}.`);

    for (const wireCase of CASES) {
      test(wireCase.name, async () => {
        recorder.take();
        if (wireCase.refusedBy?.includes(target.name)) {
          await assert.rejects(send(target, wireCase), (error) => {
            assert.ok(error instanceof BYOKError);
            assert.equal(error.code, "INVALID_ARGUMENT");
            return true;
          });
          assert.deepEqual(recorder.take(), []);
          return;
        }
        const warnings = await send(target, wireCase);
        const [request, ...more] = recorder.take();
        assert.ok(request);
        assert.equal(more.length, 0, "one call is one request");
        checkEnvelope(target, request, "POST", wireCase.stream ? target.streamPath : target.path);
        assert.equal(request.headers["content-type"], "application/json");
        const body = JSON.parse(request.text) as Body["body"];
        bodies.get(target.name)?.push({ name: wireCase.name, body });

        const leftOut = wireCase.warns?.at.includes(target.name) ?? false;
        if (wireCase.warns) {
          const options = warnings.map((warning) => warning.option);
          assert.equal(options.includes(wireCase.warns.option), leftOut, JSON.stringify(warnings));
        }
        const isDropped = leftOut && ["stop", "seed"].includes(wireCase.warns?.option ?? "");
        for (const mark of wireCase.marks ?? []) {
          assert.equal(request.text.includes(mark), !isDropped, `${mark} in ${request.text}`);
        }
        if (validate) {
          validate(body);
          assert.deepEqual(validate.errors ?? [], [], request.text);
        }
      });
    }

    test("the check of a key is one GET without a body", async () => {
      recorder.take();
      await byok.verifyKey({ userId: "u", provider: target.provider });
      const [request, ...more] = recorder.take();
      assert.ok(request);
      assert.equal(more.length, 0);
      checkEnvelope(target, request, "GET", target.verifyPath);
      assert.equal(request.text, "");
    });

    if (validate) {
      test("the validator refuses a body that is spoilt", () => {
        const good = bodies.get(target.name)?.find(({ name }) => name.startsWith("tools with"));
        assert.ok(good && validate(good.body));
        const spoilt = target.provider === "gemini" ? { contents: "x" } : { model: {} };
        assert.ok(!validate({ ...good.body, ...spoilt }));
        assert.ok(!validate({ ...good.body, tools: "none" }));
      });
    }
  });
}

describe("the official SDKs' types", () => {
  for (const name of TYPED) {
    test(`bodies for ${name} are of the SDK's request type`, () => {
      const all = bodies.get(name) ?? [];
      assert.ok(all.length >= CASES.length - 4);
      assert.equal(typeErrors(name, all, name), "");
    });

    test(`a spoilt body for ${name} is not`, () => {
      const [first] = bodies.get(name) ?? [];
      assert.ok(first);
      const spoilt = { ...first.body, tools: "none" };
      assert.match(
        typeErrors(name, [{ name: "spoilt", body: spoilt }], `${name}-spoilt`),
        /error TS/,
      );
    });
  }
});

describe("a strict mock server", { skip: haveSpecs ? false : ABSENT }, () => {
  const served = TARGETS.filter(({ provider }) =>
    ["openai", "anthropic", "gemini"].includes(provider),
  );
  for (const provider of new Set(served.map((target) => target.provider))) {
    test(`takes every body for ${provider}, and no other`, async () => {
      const targets = served.filter((target) => target.provider === provider);
      const file = targets[0]?.spec[0] ?? "";
      const closed = targets[0]?.spec[2]?.closed;
      const mock = await startStrictMock(
        closed ? closedDocument(file) : JSON.stringify(document(file)),
      );
      try {
        for (const target of targets) {
          for (const { name, body } of bodies.get(target.name) ?? []) {
            const response = await post(mock.origin, target, body);
            assert.equal(response.status, 200, `${name}: ${await response.text()}`);
          }
          const refused = await post(mock.origin, target, SPOILT);
          assert.equal(refused.status, 400);
        }
      } finally {
        await mock.stop();
      }
    });
  }
});

async function post(origin: string, target: Target, body: object): Promise<Response> {
  const [header, prefix] = target.credential;
  return fetch(origin + target.path, {
    method: "POST",
    headers: { "content-type": "application/json", [header]: prefix + KEY, ...target.headers },
    body: JSON.stringify(body),
  });
}
