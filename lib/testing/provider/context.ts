// What a case works with: the server that plays the provider, a BYOK that leads to it with a key stored,
// and checks that every outcome passes, whatever the case is about.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import type { BYOK } from "../../byok.js";
import { BYOKError } from "../../errors.js";
import type { User } from "../../user.js";
import type { AnswerFixture, CapabilityFixture, ProviderConformanceOptions } from "../provider.js";
import { CALLS, type CallKind, type Outcome } from "./calls.js";
import { answer, type Behaviour, type ProviderServer } from "./server.js";

export class Context {
  /** Of this case alone. */
  readonly userId = `user-${randomBytes(6).toString("hex")}`;
  readonly key = `byok-conformance-${randomBytes(16).toString("hex")}`;

  /** @param call - for cases that make no call but register keys: any */
  constructor(
    readonly options: ProviderConformanceOptions,
    readonly call: CallKind,
    readonly fixture: CapabilityFixture,
    readonly server: ProviderServer,
    readonly byok: BYOK,
  ) {
    server.take();
    server.behave(answer({}));
  }

  get provider(): string {
    return this.options.provider;
  }

  /** What users would give as `apiKey`. */
  get apiKey(): string | Record<string, string> {
    return this.options.fields ? { ...this.options.fields, apiKey: this.key } : this.key;
  }

  /** Makes the case's call with a stored key, while the provider behaves so. */
  async attempt(behaviour: Behaviour, request: Record<string, unknown> = {}): Promise<Outcome> {
    const user = await this.user();
    this.server.behave(behaviour);
    return await this.run(user, request);
  }

  /** A user with a stored key. Nothing has been sent yet. */
  async user(): Promise<User> {
    const { provider, apiKey } = this;
    // Not the user of before: a key that was refused is not tried again.
    const userId = `user-${randomBytes(6).toString("hex")}`;
    await this.byok.registerKey({ userId, provider, apiKey, validate: "format" });
    return this.byok.use(userId, { provider });
  }

  /** The case's call; its outcome, good or bad, is searched for the key. */
  async run(user: User, request: Record<string, unknown>): Promise<Outcome> {
    try {
      const outcome = await CALLS[this.call].run(user, this.request(request));
      this.holdsNoKey(outcome);
      this.holdsNoKey(user);
      return outcome;
    } catch (error) {
      this.holdsNoKey(error);
      throw error;
    }
  }

  request(more: Record<string, unknown> = {}): Record<string, unknown> {
    return { ...CALLS[this.call].request, ...this.fixture.request, ...more };
  }

  /** The call's good answer. */
  get good(): Behaviour {
    return (request, response) => {
      const { body, contentType } = this.#fixtureFor(request);
      return answer(body, contentType)(request, response);
    };
  }

  /** The good answer as it is when it does not depend on the request. */
  get sample(): { body: string | Uint8Array | object; contentType: string } {
    const none = {
      method: "",
      url: "",
      headers: {},
      body: Buffer.alloc(0),
      left: Promise.resolve(),
    };
    const { body, contentType } = this.#fixtureFor(none);
    return { body, contentType: contentType ?? "application/json" };
  }

  #fixtureFor(request: Parameters<Behaviour>[0]): AnswerFixture {
    const { answer: given, stream } = this.fixture;
    if (CALLS[this.call].streams && stream !== undefined) {
      return { contentType: "text/event-stream", ...stream };
    }
    return typeof given === "function" ? given(request) : given;
  }

  /** The call fails with one of these codes, names the provider, and holds no key. */
  async fails(
    codes: string,
    behaviour: Behaviour,
    request: Record<string, unknown> = {},
  ): Promise<BYOKError> {
    return await this.rejects(codes, () => this.attempt(behaviour, request));
  }

  async rejects(codes: string, attempt: () => Promise<unknown>): Promise<BYOKError> {
    const outcome = await attempt().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if (!("error" in outcome)) {
      assert.fail(`it succeeded instead of failing with ${codes}: ${inspect(outcome.value)}`);
    }
    const { error } = outcome;
    this.holdsNoKey(error);
    assert.ok(error instanceof BYOKError, `not a BYOKError: ${inspect(error)}`);
    assert.ok(codes.split("|").includes(error.code), `${codes} expected: ${inspect(error)}`);
    assert.ok(error.message.length > 20, "the message says what happened and what to do");
    return error;
  }

  /** No eight characters in a row of the key, in any view of the value. */
  holdsNoKey(value: unknown): void {
    const views = [
      inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null }),
      JSON.stringify(value) ?? "",
      String(value),
    ];
    if (value instanceof Error) views.push(value.stack ?? "", inspect(value.cause));
    const secret = this.key.slice(-32);
    for (let at = 0; at + 8 <= secret.length; at++) {
      const piece = secret.slice(at, at + 8);
      const view = views.find((text) => text.includes(piece));
      assert.ok(view === undefined, `a piece of the key is in ${view}`);
    }
  }
}
