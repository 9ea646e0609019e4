// The chat capability: what goes in, what comes back, and what a stream hands on.

import type { JsonObject, JsonValue } from "./key.js";
import type { AssistantPart, Message, Tool, ToolChoice } from "./message.js";
import type { RequestOptions } from "./options.js";
import type { ResultMeta } from "./result.js";

/** One of `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`; another word is passed on as it is. */
export type ReasoningEffort =
  | "none"
  | "minimal"
  | "low"
  | "medium"
  | "high"
  | "xhigh"
  | "max"
  | (string & {});

export interface ReasoningOptions {
  effort?: ReasoningEffort | undefined;
  /** Upper bound of reasoning tokens, for providers that take one. */
  maxTokens?: number | undefined;
  /** Whether a readable summary is wanted. Default true where the provider has to be asked. */
  summary?: boolean | undefined;
}

/** A JSON Schema with a name and strictness. */
export interface NamedOutput {
  schema: JsonObject;
  /** Default `"answer"`. */
  name?: string | undefined;
  strict?: boolean | undefined;
}

/** A question to a model. A parameter is sent only when it is set; what a provider can't do becomes an
 * entry of `warnings` in the result, never silence. Unknown option names are `INVALID_ARGUMENT`. */
export interface ChatRequest extends RequestOptions {
  /** Short for one user message. Exactly one of `prompt` and `messages`. */
  prompt?: string | undefined;
  /** The conversation so far, oldest first; at least one. */
  messages?: readonly Message[] | undefined;
  /** Instructions that stand before the conversation. */
  system?: string | undefined;
  /** Upper bound of tokens to generate, reasoning included. */
  maxTokens?: number | undefined;
  temperature?: number | undefined;
  topP?: number | undefined;
  /** Texts that end the answer. */
  stop?: string | readonly string[] | undefined;
  seed?: number | undefined;
  tools?: readonly Tool[] | undefined;
  toolChoice?: ToolChoice | undefined;
  /** Whether the model may call several tools in one turn. */
  parallelToolCalls?: boolean | undefined;
  /** A JSON Schema that the answer must satisfy, bare or with a name. The parsed answer is `object` of
   * the result. */
  output?: JsonObject | NamedOutput | undefined;
  reasoning?: ReasoningOptions | undefined;
}

/**
 * Why the model stopped. `stop`: it was done, or met a `stop` text. `length`: it ran into `maxTokens`
 * or the model's limit, so the text is incomplete. `tool-calls`: it waits for results. `content-filter`:
 * the provider withheld (part of) the answer. `error`, `other`: see `rawFinishReason`.
 */
export type FinishReason = "stop" | "length" | "tool-calls" | "content-filter" | "error" | "other";

/** Tokens, counted the same way for every provider. */
export interface Usage {
  /** Every input token, cached ones included. */
  inputTokens: number;
  /** Every output token, reasoning included. */
  outputTokens: number;
  totalTokens: number;
  /** How many of `inputTokens` came from the provider's cache; absent when it doesn't say. */
  cachedInputTokens?: number;
  /** How many of `outputTokens` were reasoning; absent when the provider doesn't say. */
  reasoningTokens?: number;
}

/** Something that was asked for and that the provider can't do, or that was done differently. */
export interface Warning {
  /** The option it is about, as the caller wrote it: `seed`, `messages[2].content[0]`. */
  option: string;
  message: string;
}

export interface ToolCall {
  id: string;
  name: string;
  /** The parsed arguments. Null when the model's text is not valid JSON. */
  arguments: JsonValue;
  /** The model's own text; present only when it is not valid JSON. */
  rawArguments?: string;
}

/** The whole answer. `T` is what the caller expects `object` to be; it is not checked. */
export interface ChatResult<T = unknown> extends ResultMeta {
  /** All text parts joined; empty when the model only called tools. */
  text: string;
  /** Every part in order. Send it back as `{ role: "assistant", content }` to go on. */
  content: AssistantPart[];
  toolCalls: ToolCall[];
  /** All readable reasoning joined by blank lines; absent when there is none. */
  reasoning?: string;
  /** The parsed answer when `output` was given; absent when the text is not JSON. */
  object?: T;
  finishReason: FinishReason;
  /** The provider's own word for it. */
  rawFinishReason?: string;
  usage: Usage;
}

/** What a stream hands on, in order. `finish` is the last and comes only when the answer is complete. */
export type ChatEvent =
  | { type: "text-delta"; text: string }
  | { type: "reasoning-delta"; text: string }
  | { type: "tool-call-start"; id: string; name: string }
  /** A piece of the arguments' JSON text. */
  | { type: "tool-call-delta"; id: string; delta: string }
  /** The whole call, once its arguments are complete. */
  | ({ type: "tool-call" } & ToolCall)
  | { type: "usage"; usage: Usage }
  | { type: "finish"; finishReason: FinishReason; usage: Usage };
