// What `byok.use(userId)` returns: one method a capability, all with this user's own keys.

import { inspect } from "node:util";
import type { Engine, Payload } from "./engine.js";
import { CAPABILITIES, checkOptions, isSignal } from "./options.js";
import { Pump } from "./pump.js";
import { encodeChat, encodeJson } from "./request.js";
import { ChatStream } from "./stream.js";
import type { Capability, ChatEvent, ChatRequest, ChatResult, RequestDefaults } from "./types.js";

/** One user and what their keys can do. Cheap: make one per request, or keep it. */
export class User {
  readonly #engine: Engine;
  readonly #userId: string;
  readonly #defaults: RequestDefaults | undefined;

  /** @internal */
  constructor(engine: Engine, userId: string, defaults: RequestDefaults | undefined) {
    this.#engine = engine;
    this.#userId = userId;
    this.#defaults = defaults;
  }

  get userId(): string {
    return this.#userId;
  }

  /**
   * Asks a model and waits for the whole answer.
   *
   * @throws BYOKError `KEY_NOT_FOUND`, `KEY_INVALID`, `QUOTA_EXCEEDED`, `PROVIDER_RATE_LIMITED`,
   * `CONTEXT_TOO_LONG`, `TIMEOUT`, `ABORTED` and others; see `BYOKErrorCode`
   * @example
   * ```ts
   * const { text } = await byok.use("user_123").chat({ prompt: "What is the capital of France?" });
   * ```
   */
  async chat<T = unknown>(request: ChatRequest): Promise<ChatResult<T>> {
    const payload = encodeChat(this.#userId, this.#defaults, request, "chat()");
    const ready = payload instanceof Promise ? await payload : payload;
    return await this.#engine.call("chat", ready, request.signal);
  }

  /** Asks a model and hands on the answer while it is made. Returns at once and never throws: errors,
   * also those of the arguments, come to whoever reads the stream. */
  chatStream<T = unknown>(request: ChatRequest): ChatStream<T> {
    const open = () => {
      const payload = encodeChat(this.#userId, this.#defaults, request, "chatStream()");
      return this.#engine.open("chatStream", payload);
    };
    const signal: unknown = request?.signal;
    return new ChatStream<T>(
      new Pump<ChatEvent, ChatResult<T>>(open, isSignal(signal) ? signal : undefined),
    );
  }

  /** What this user's stored keys can be used for. Asks the store, not the providers. */
  async capabilities(o: { signal?: AbortSignal | undefined } = {}): Promise<Capability[]> {
    checkOptions(o, CAPABILITIES, "capabilities()");
    const payload: Payload = {
      json: encodeJson({ userId: this.#userId }, "capabilities()"),
      bytes: null,
    };
    return await this.#engine.call("capabilities", payload, o.signal);
  }

  /** @internal */
  [inspect.custom](): string {
    return `User { userId: ${inspect(this.#userId)} }`;
  }
}
