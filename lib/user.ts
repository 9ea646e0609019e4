// What `byok.use(userId)` returns: one method a capability, all with this user's own keys.

import { inspect } from "node:util";
import { AudioStream } from "./audio-stream.js";
import { ByteStream } from "./byte-stream.js";
import type { Engine, Payload } from "./engine.js";
import { invalidArgument } from "./errors.js";
import { fetchFor } from "./fetch.js";
import { type ForwardedRequest, forward } from "./forward.js";
import {
  CAPABILITIES,
  checkOptions,
  EMBED,
  FETCH,
  FORWARD,
  identifier,
  isSignal,
  type OptionTable,
  required,
  SPEECH,
  TRANSCRIPTION,
} from "./options.js";
import { Pump } from "./pump.js";
import { encodeChat, encodeImage, encodeJson, encodeOptions } from "./request.js";
import { ChatStream, type WireEvent } from "./stream.js";
import { transcribe } from "./transcribe.js";
import type {
  AudioInfo,
  Capability,
  ChatRequest,
  ChatResult,
  EmbedRequest,
  EmbedResult,
  FetchOptions,
  ForwardOptions,
  GeneratedImage,
  ImageRequest,
  ImageResult,
  RequestDefaults,
  RequestOptions,
  SpeechRequest,
  SpeechResult,
  TranscriptionRequest,
  TranscriptionResult,
} from "./types.js";

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
      new Pump<WireEvent, ChatResult<T>>(open, isSignal(signal) ? signal : undefined),
    );
  }

  /**
   * Turns texts into vectors.
   *
   * @throws BYOKError as `chat`; when a batch fails the call does, and the message names its inputs
   * @example
   * ```ts
   * const { embeddings } = await byok.use("user_123").embed({ input: ["a cat", "a dog"] });
   * ```
   */
  async embed(request: EmbedRequest): Promise<EmbedResult> {
    const body = this.#encode(request, EMBED, "embed()", 'input: "Hello"');
    required(request, ["input"], "embed()");
    type Native = Omit<EmbedResult, "embeddings"> & { count: number; dimensions: number };
    const [{ count, dimensions, ...rest }, [bytes]] = await this.#engine.run<Native>(
      "embed",
      { json: encodeJson(body, "embed()"), bytes: null },
      request,
    );
    return { embeddings: vectors(bytes as Buffer, count, dimensions), ...rest };
  }

  /**
   * Speaks a text, and waits for all of the audio.
   *
   * @throws BYOKError as `chat`
   * @example
   * ```ts
   * const { audio, contentType } = await byok.use("user_123").textToSpeech({ text: "Hello!" });
   * ```
   */
  async textToSpeech(request: SpeechRequest): Promise<SpeechResult> {
    const body = this.#encode(request, SPEECH, "textToSpeech()", 'text: "Hello"');
    required(request, ["text"], "textToSpeech()");
    const payload: Payload = { json: encodeJson(body, "textToSpeech()"), bytes: null };
    const [result, [audio]] = await this.#engine.run<Omit<SpeechResult, "audio">>(
      "textToSpeech",
      payload,
      request,
    );
    return { audio: audio as Buffer, ...result };
  }

  /** Speaks a text, and hands on the audio as it is made. Returns at once and never throws: errors, also
   * those of the arguments, come to whoever reads the stream. */
  textToSpeechStream(request: SpeechRequest): AudioStream {
    const open = () => {
      const body = this.#encode(request, SPEECH, "textToSpeechStream()", 'text: "Hello"');
      required(request, ["text"], "textToSpeechStream()");
      const payload: Payload = { json: encodeJson(body, "textToSpeechStream()"), bytes: null };
      return this.#engine.openBytes("textToSpeechStream", payload);
    };
    const signal: unknown = request?.signal;
    return new AudioStream(new ByteStream<AudioInfo>(open, isSignal(signal) ? signal : undefined));
  }

  /**
   * Writes down what is said in audio. Streams and Blobs are sent while they are read.
   *
   * @throws BYOKError as `chat`; what a stream of yours throws is thrown as it is
   * @example
   * ```ts
   * const { text } = await byok.use("user_123").speechToText({ audio: await openAsBlob("talk.mp3"), filename: "talk.mp3" });
   * ```
   */
  async speechToText(request: TranscriptionRequest): Promise<TranscriptionResult> {
    const where = "speechToText()";
    const body = this.#encode(request, TRANSCRIPTION, where, "audio: bytes");
    required(request, ["audio"], where);
    return await transcribe(this.#engine, body, request);
  }

  /**
   * Makes images, or edits those that are given.
   *
   * @throws BYOKError as `chat`; `CONTENT_FILTERED` when the provider lets no image through
   * @example
   * ```ts
   * const { images } = await byok.use("user_123").generateImage({ prompt: "A cat in the snow" });
   * await writeFile("cat.png", images[0].data);
   * ```
   */
  async generateImage(request: ImageRequest): Promise<ImageResult> {
    const where = "generateImage()";
    const payload = await encodeImage(this.#userId, this.#defaults, request, where);
    required(request, ["prompt"], where);
    type Native = Omit<ImageResult, "images"> & { images: Omit<GeneratedImage, "data">[] };
    const [result, data] = await this.#engine.run<Native>("generateImage", payload, request);
    const images = result.images.map((info, index) => ({ data: data[index] as Buffer, ...info }));
    return { ...result, images };
  }

  /**
   * A `fetch` for any SDK of that provider, which puts this user's key in natively: the SDK never has
   * one. Its `apiKey` can be any text; credentials that it sends are taken out.
   *
   * Only the provider's own address is asked, or the one that is configured for it or sealed with the
   * key: another URL is an error before the key is opened. Requests to the provider's public address go to
   * the configured one. Redirects are never followed. Nothing is sent twice: retries are the SDK's.
   *
   * It is the contract of the global `fetch`: `TypeError` without an answer (the `cause` is a
   * `BYOKError`), the signal's reason for one that was aborted. `BYOKError` when there is nothing to send,
   * as with `KEY_NOT_FOUND`.
   *
   * @example
   * ```ts
   * const openai = new OpenAI({ apiKey: "byok", fetch: byok.use("user_123").fetch("openai") });
   * ```
   */
  fetch(provider: string, o: FetchOptions = {}): typeof fetch {
    const complaint = identifier(provider, "provider");
    if (complaint !== undefined) throw invalidArgument(`fetch(): ${complaint}`);
    checkOptions(o, FETCH, "fetch()");
    return fetchFor(this.#engine, this.#target(provider, o.label));
  }

  /**
   * Passes a client's request on to a provider with this user's key, and gives its answer to pass back:
   * a reverse proxy for clients that speak the provider's own wire format. **Who the user is, is yours to
   * check before.** The client's credentials, cookies and what else it says of itself stay here.
   *
   * The body is streamed both ways. Any answer is a `Response`, also a provider's error; no answer at all
   * is a `TypeError` as with `fetch`. When the client goes away, the request at the provider ends.
   *
   * @example
   * ```ts
   * // A route of any Web-standard framework; its client: new OpenAI({ baseURL: "https://app.example/v1" })
   * export const POST = async (request: Request) =>
   *   byok.use(await userOf(request)).forward(request, { provider: "openai" });
   * ```
   */
  async forward(request: ForwardedRequest, o: ForwardOptions = {}): Promise<Response> {
    checkOptions(o, FORWARD, "forward()");
    const provider = o.provider ?? this.#defaults?.provider;
    if (provider === undefined) {
      throw invalidArgument(
        'forward() needs provider: forward(request, { provider: "openai" }), or use(userId, { provider }).',
      );
    }
    return await forward(this.#engine, this.#target(provider, o.label), request, o);
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

  /** A default label belongs to the default provider. */
  #target(provider: string, label: string | undefined) {
    const { provider: usual = provider, label: usualLabel } = this.#defaults ?? {};
    const inherited = usual === provider ? usualLabel : undefined;
    return { userId: this.#userId, provider, label: label ?? inherited };
  }

  #encode(
    request: RequestOptions,
    table: OptionTable,
    where: string,
    example: string,
  ): Record<string, unknown> {
    return encodeOptions(this.#userId, this.#defaults, request, table, where, example);
  }

  /** @internal */
  [inspect.custom](): string {
    return `User { userId: ${inspect(this.#userId)} }`;
  }
}

/** Views of one buffer: copying them would double what a large batch needs. */
function vectors(bytes: Buffer, count: number, dimensions: number): Float32Array[] {
  const { buffer, byteOffset, byteLength } = bytes;
  const all =
    byteOffset % 4 === 0
      ? new Float32Array(buffer, byteOffset, byteLength / 4)
      : new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  return Array.from({ length: count }, (_, index) =>
    all.subarray(index * dimensions, (index + 1) * dimensions),
  );
}
