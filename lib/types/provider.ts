// What `defineProvider` takes: the declarative parts of a provider, and pure functions between this
// library's requests and results and the provider's JSON. No function ever gets a key.

import type { BYOKErrorCode } from "../errors.js";
import type { FinishReason, NamedOutput, ReasoningOptions, Warning } from "./chat.js";
import type { Capability, JsonObject, JsonValue } from "./key.js";
import type {
  AssistantPart,
  ReasoningPart,
  TextPart,
  Tool,
  ToolCallPart,
  ToolChoice,
  ToolResultPart,
} from "./message.js";

/** A provider's JSON as it came. Nothing is known of it: rely on what its documentation says, and let a
 * surprise throw, which becomes `BAD_RESPONSE` with your exception as the cause. */
// biome-ignore lint/suspicious/noExplicitAny: `unknown` would make every access of every function a cast
export type ProviderJson = any;

/** Codes for what a provider can answer. */
export type ProviderErrorCode = Extract<
  BYOKErrorCode,
  | "KEY_INVALID"
  | "PERMISSION_DENIED"
  | "QUOTA_EXCEEDED"
  | "PROVIDER_RATE_LIMITED"
  | "MODEL_NOT_FOUND"
  | "CONTEXT_TOO_LONG"
  | "CONTENT_FILTERED"
  | "PROVIDER_ERROR"
  | "PROVIDER_UNAVAILABLE"
  | "BAD_RESPONSE"
>;

/** What a request function returns. Give one of `body`, `form` and `rawAudio`. */
export interface ProviderRequest {
  /** Behind `baseURL`, with a leading slash, percent-encoded, with a query if need be. */
  path: string;
  /** Posted as JSON. The caller's `providerOptions` are merged over it. `{ $audio: "base64" }` anywhere
   * in it becomes the caller's audio as base64 (`speechToText` alone), streamed. */
  body?: JsonValue | undefined;
  /** Posted as `multipart/form-data`, in this order. The caller's `providerOptions` become fields. */
  form?: readonly ProviderFormField[] | undefined;
  /** The caller's audio is the body, streamed (`speechToText` alone). */
  rawAudio?: boolean | undefined;
  /** Beside the definition's `headers`. Never credentials. */
  headers?: Record<string, string> | undefined;
  /** What was asked for and can't be done. Options that the function never looked at are added by
   * themselves: read what you send, and no option is dropped in silence. */
  warnings?: readonly Warning[] | undefined;
}

export type ProviderFormField =
  | { name: string; value: string }
  /** The caller's audio, streamed. Name and type: the caller's. */
  | { name: string; audio: true; filename?: string; mediaType?: string }
  | { name: string; base64: string; filename?: string; mediaType?: string };

/** An image, file or sound of the caller's, whatever form it was given in. */
export type ProviderMedia = { url: string } | { mediaType: string; base64: string };

export type ProviderPart =
  | TextPart
  | ReasoningPart
  | ToolCallPart
  | ToolResultPart
  | { type: "image"; image: ProviderMedia; mediaType?: string; detail?: string }
  | { type: "file"; data: ProviderMedia; mediaType?: string; filename?: string }
  | { type: "audio"; data: ProviderMedia; mediaType?: string };

export interface ProviderMessage {
  role: "system" | "user" | "assistant" | "tool";
  /** Texts are parts, too. */
  content: ProviderPart[];
}

/** A chat request, made regular: `prompt` is a message, and every content is parts. */
export interface ProviderChatRequest {
  system?: string;
  /** Oldest first, at least one. */
  messages: ProviderMessage[];
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  /** Absent or not empty. */
  stop?: string[];
  seed?: number;
  /** Absent or not empty. */
  tools?: Tool[];
  toolChoice?: ToolChoice;
  parallelToolCalls?: boolean;
  output?: { schema: JsonObject; name: string; strict: NamedOutput["strict"] | null };
  reasoning?: ReasoningOptions;
}

/** An error inside an answer whose status is a success. */
export interface ProviderSaidError {
  /** Default `PROVIDER_ERROR`. */
  code?: ProviderErrorCode | undefined;
  /** The provider's words. */
  message?: string | undefined;
  retryAfterMs?: number | undefined;
}

/** Tokens. `inputTokens` counts all of them, cached ones included; `outputTokens` includes reasoning. */
export interface ProviderUsage {
  inputTokens: number;
  outputTokens: number;
  /** Default: the sum. */
  totalTokens?: number | undefined;
  cachedInputTokens?: number | undefined;
  reasoningTokens?: number | undefined;
}

/** What `chat.response` returns. */
export interface ProviderChatAnswer {
  text?: string | undefined;
  reasoning?: string | undefined;
  /** For answers that are more than a text: parts in their order. */
  content?: readonly AssistantPart[] | undefined;
  /** `arguments` as JSON text or as what it says. */
  toolCalls?: readonly { id: string; name: string; arguments: JsonValue }[] | undefined;
  /** Default `"other"`. */
  finishReason?: FinishReason | undefined;
  /** The provider's own word for it. */
  rawFinishReason?: string | undefined;
  usage?: ProviderUsage | undefined;
  id?: string | undefined;
  model?: string | undefined;
  warnings?: readonly Warning[] | undefined;
  /** Then nothing else counts. */
  error?: ProviderSaidError | undefined;
}

/** One server-sent event. */
export interface ProviderEvent {
  /** The `event:` field; empty when there is none. */
  readonly event: string;
  readonly data: string;
  /** `data`, parsed when it is first read; `BAD_RESPONSE` when it is not JSON. */
  readonly json: ProviderJson;
}

/** A piece of a streamed answer. `index` tells apart several parts of one kind; default 0. */
export type ProviderChatDelta =
  | { type: "text-delta"; text: string; index?: number | undefined }
  | { type: "reasoning-delta"; text: string; index?: number | undefined }
  /** The first of a call has its `id` and `name`; the others of the same `index` add to the arguments'
   * JSON text. */
  | {
      type: "tool-call-delta";
      index?: number | undefined;
      id?: string | undefined;
      name?: string | undefined;
      arguments?: string | undefined;
    }
  /** Replaces what was counted before. */
  | { type: "usage"; usage: ProviderUsage }
  | { type: "finish"; finishReason: FinishReason; rawFinishReason?: string | undefined }
  | { type: "info"; id?: string | undefined; model?: string | undefined }
  | { type: "warning"; option: string; message: string }
  /** Ends the stream. */
  | { type: "error"; error: ProviderSaidError };

/** What functions get beside a request. */
export interface ProviderContext {
  /** The caller's model, or the default one. */
  model: string;
}

export interface ChatFunctions {
  request(
    request: ProviderChatRequest,
    context: ProviderContext & { stream: boolean },
  ): ProviderRequest;
  response(
    body: ProviderJson,
    context: ProviderContext & { request: ProviderChatRequest },
  ): ProviderChatAnswer;
  /** Reads one event of a stream. `state` is an empty object at first, yours to fill, and must stay JSON:
   * it crosses into native code between the pieces of the network. Without this function the provider
   * does not stream, and `chatStream` hands on the whole answer at its end. */
  event?:
    | ((
        event: ProviderEvent,
        state: Record<string, ProviderJson>,
        context: ProviderContext,
      ) => ProviderChatDelta | readonly ProviderChatDelta[] | undefined)
    | undefined;
  /** What tells a complete stream from one that broke off, which is `STREAM_INTERRUPTED`: the `finish` that
   * `event` returned (the default), an event with exactly this data (`{ data: "[DONE]" }`, which `event` does
   * not get), or one of this type (`{ event: "done" }`). */
  streamEnd?: "finish" | { data: string } | { event: string } | undefined;
}

/** Inputs of one batch. */
export interface ProviderEmbedRequest {
  /** At least one, at most `batchLimit`. */
  input: string[];
  dimensions?: number;
  inputType?: string;
}

export interface ProviderEmbedAnswer {
  /** In the order of the inputs: numbers, or base64 of 32-bit little-endian floats. */
  embeddings?: readonly (readonly number[] | string)[] | undefined;
  usage?: { inputTokens?: number | undefined } | undefined;
  id?: string | undefined;
  model?: string | undefined;
  error?: ProviderSaidError | undefined;
}

export interface EmbedFunctions {
  /** How many inputs one request may have, and how many bytes of text. More are sent in several. */
  batchLimit: number | { inputs: number; bytes?: number | undefined };
  request(request: ProviderEmbedRequest, context: ProviderContext): ProviderRequest;
  response(
    body: ProviderJson,
    context: ProviderContext & { request: ProviderEmbedRequest },
  ): ProviderEmbedAnswer;
}

export interface ProviderSpeechRequest {
  text: string;
  voice?: string;
  format?: string;
  speed?: number;
  instructions?: string;
  language?: string;
}

export interface ProviderSpeechAnswer {
  /** As base64. */
  audio?: string | undefined;
  /** Default: the definition's. */
  contentType?: string | undefined;
  usage?:
    | {
        characters?: number | undefined;
        inputTokens?: number | undefined;
        outputTokens?: number | undefined;
      }
    | undefined;
  error?: ProviderSaidError | undefined;
}

export interface SpeechFunctions {
  /** `stream` asks for the way that gives the first audio soonest. */
  request(
    request: ProviderSpeechRequest,
    context: ProviderContext & { stream: boolean },
  ): ProviderRequest;
  /** For answers that are JSON. Without it the body is the audio: it is handed on as it arrives and never
   * passes through a function. */
  response?:
    | ((
        body: ProviderJson,
        context: ProviderContext & { request: ProviderSpeechRequest },
      ) => ProviderSpeechAnswer)
    | undefined;
  /** Of the audio, where the provider does not say: `audio/mpeg`. */
  contentType?: string | undefined;
}

export interface ProviderTranscriptionRequest {
  /** Always with an extension. */
  filename: string;
  /** `audio/wav` and the like. */
  mediaType: string;
  language?: string;
  prompt?: string;
  timestamps?: "none" | "segment" | "word";
  diarize?: boolean;
  temperature?: number;
}

export interface ProviderTimedText {
  text: string;
  startSeconds: number;
  endSeconds: number;
  speaker?: string | undefined;
}

export interface ProviderTranscriptionAnswer {
  text?: string | undefined;
  language?: string | undefined;
  durationSeconds?: number | undefined;
  segments?: readonly ProviderTimedText[] | undefined;
  words?: readonly ProviderTimedText[] | undefined;
  usage?:
    | {
        audioSeconds?: number | undefined;
        inputTokens?: number | undefined;
        outputTokens?: number | undefined;
      }
    | undefined;
  id?: string | undefined;
  model?: string | undefined;
  error?: ProviderSaidError | undefined;
}

export interface TranscriptionFunctions {
  request(request: ProviderTranscriptionRequest, context: ProviderContext): ProviderRequest;
  response(
    body: ProviderJson,
    context: ProviderContext & { request: ProviderTranscriptionRequest },
  ): ProviderTranscriptionAnswer;
}

export interface ProviderImageRequest {
  prompt: string;
  size?: string;
  aspectRatio?: string;
  quality?: string;
  background?: string;
  format?: string;
  seed?: number;
  /** What is to be edited; absent or not empty. */
  images?: ProviderMedia[];
  mask?: ProviderMedia;
}

export interface ProviderImageAnswer {
  /** A URL is fetched natively, without the key. */
  images?:
    | readonly (
        | { base64: string; mediaType?: string | undefined; revisedPrompt?: string | undefined }
        | { url: string; revisedPrompt?: string | undefined }
      )[]
    | undefined;
  usage?:
    | {
        inputTokens?: number | undefined;
        outputTokens?: number | undefined;
        totalTokens?: number | undefined;
      }
    | undefined;
  id?: string | undefined;
  model?: string | undefined;
  warnings?: readonly Warning[] | undefined;
  error?: ProviderSaidError | undefined;
}

export interface ImageFunctions {
  /** How many images one request can ask for; more are asked for in several. Default 1. */
  mostAtOnce?: number | undefined;
  request(request: ProviderImageRequest, context: ProviderContext & { n: number }): ProviderRequest;
  response(
    body: ProviderJson,
    context: ProviderContext & { request: ProviderImageRequest },
  ): ProviderImageAnswer;
}

/** A further field of the credential, which users give as `apiKey: { apiKey, <name> }`. It is sealed with
 * the key and goes to one place: a header, a parameter of the URL, or `{name}` in `baseURL`. */
export interface CredentialFieldDefinition {
  /** For error messages: `the name of your workspace`. */
  what?: string | undefined;
  /** Default false. */
  required?: boolean | undefined;
  header?: string | undefined;
  query?: string | undefined;
}

/** A failed answer, for `errors.read`. Whatever looks like a key has been taken out. */
export interface ProviderFailure {
  status: number;
  /** Absent when the body is not JSON. */
  json?: ProviderJson;
  /** At most 64 KiB of the body. */
  text: string;
}

export interface ErrorFunctions {
  /** What statuses mean where it is not the usual: 401 is `KEY_INVALID`, 402 `QUOTA_EXCEEDED`, 403
   * `PERMISSION_DENIED`, 429 `PROVIDER_RATE_LIMITED`, 408, 409, 425 and 5xx `PROVIDER_UNAVAILABLE`, and other
   * 4xx `PROVIDER_ERROR`. */
  statuses?: Record<number, ProviderErrorCode> | undefined;
  /** What the provider's words mean, found in `code`, `type`, `status`, `reason` and `error` of the body or
   * its `error`. They go before statuses. Both decide whether a request is sent again. */
  words?: Record<string, ProviderErrorCode> | undefined;
  /** Looks at the last failure when nothing is sent again any more, and says it better. What it leaves out
   * stays. */
  read?: ((failure: ProviderFailure) => ProviderExplanation | undefined) | undefined;
}

export interface ProviderExplanation {
  code?: ProviderErrorCode | undefined;
  /** The provider's words, for a person. */
  message?: string | undefined;
  retryable?: boolean | undefined;
  retryAfterMs?: number | undefined;
}

export interface ProviderDefinition {
  /** For error messages: `Acme AI`. Requests name the provider as `providers` does. */
  name: string;
  /** Where all paths begin. `https:` only, unless `allowPrivateNetwork` is set. May name required fields of
   * the credential as a subdomain or in the path: `https://{workspace}.acme.example/v1`. */
  baseURL: string;
  /** The header that carries the key, and what stands before it: `{ header: "authorization", prefix: "Bearer " }`. */
  credential: { header: string; prefix?: string | undefined };
  /** Sent with every request. */
  headers?: Record<string, string> | undefined;
  /** The live check: a request that costs nothing and fails without a valid key. A GET, or a POST with
   * `body`. `otherwise` is another path to GET when a valid key may not do the first. */
  verify: { path: string; body?: JsonValue | undefined; otherwise?: string | undefined };
  /** The response header with the provider's id of the request. */
  requestIdHeader?: string | undefined;
  /** What its keys begin with, so that a key of another provider is recognised. */
  keyPrefixes?: readonly string[] | undefined;
  /** Whether users can be registered without a key. Default false. */
  keyIsOptional?: boolean | undefined;
  /** The model of requests that name none, by capability. */
  defaultModels?: Partial<Record<Capability, string>> | undefined;
  /** What a credential has beside the key. */
  fields?: Record<string, CredentialFieldDefinition> | undefined;
  errors?: ErrorFunctions | undefined;
  chat?: ChatFunctions | undefined;
  embed?: EmbedFunctions | undefined;
  textToSpeech?: SpeechFunctions | undefined;
  speechToText?: TranscriptionFunctions | undefined;
  generateImage?: ImageFunctions | undefined;
}
