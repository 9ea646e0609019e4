// Messages and their parts: the same in requests and results, so that a result's `content` can be
// sent back as the next assistant message without being changed.

import type { JsonObject, JsonValue } from "./key.js";

/** Bytes, or an `https:` URL that the provider fetches, or a data URL, or bare base64. Bytes cross
 * into native code as they are and become base64 there. */
export type MediaSource = Uint8Array | ArrayBuffer | Blob | URL | string;

export interface TextPart {
  type: "text";
  text: string;
  /** Leave it in place: see {@link Signature}. */
  signature?: Signature | undefined;
}

export interface ImagePart {
  type: "image";
  image: MediaSource;
  /** `image/png` and the like. Default: what the bytes or the data URL say. */
  mediaType?: string | undefined;
  /** `low`, `high` or `auto`, for providers that know it. */
  detail?: string | undefined;
}

export interface FilePart {
  type: "file";
  data: MediaSource;
  /** `application/pdf` and the like. Default: what the bytes or the data URL say. */
  mediaType?: string | undefined;
  filename?: string | undefined;
}

export interface AudioPart {
  type: "audio";
  data: MediaSource;
  /** `audio/wav` and the like. Default: what the bytes or the data URL say. */
  mediaType?: string | undefined;
}

export interface ToolCallPart {
  type: "tool-call";
  id: string;
  name: string;
  /** The parsed arguments. Null when the model's text is not valid JSON. */
  arguments: JsonValue;
  /** The model's own text; present only when it is not valid JSON. */
  rawArguments?: string | undefined;
  signature?: Signature | undefined;
}

export interface ToolResultPart {
  type: "tool-result";
  /** The id of the call that this answers. */
  id: string;
  /** The tool's name. Default: that of the call with the same id. */
  name?: string | undefined;
  /** A text or any JSON value. */
  result: JsonValue;
  /** Tells the model that the tool failed. */
  isError?: boolean | undefined;
}

export interface ReasoningPart {
  type: "reasoning";
  /** Empty when the provider keeps it to itself. */
  text: string;
  signature?: Signature | undefined;
}

/** Opaque data of one provider that must return to it unchanged on the next turn. Dropped, with a
 * warning, when the conversation goes on with another provider. */
export interface Signature {
  provider: string;
  value?: string | undefined;
  id?: string | undefined;
  redacted?: boolean | undefined;
}

export type UserPart = TextPart | ImagePart | FilePart | AudioPart;
export type AssistantPart =
  | TextPart
  | ReasoningPart
  | ToolCallPart
  | ImagePart
  | FilePart
  | AudioPart;
export type Part = UserPart | AssistantPart | ToolResultPart;

export interface SystemMessage {
  role: "system";
  content: string | readonly TextPart[];
}

export interface UserMessage {
  role: "user";
  content: string | readonly UserPart[];
}

export interface AssistantMessage {
  role: "assistant";
  content: string | readonly AssistantPart[];
}

export interface ToolMessage {
  role: "tool";
  content: readonly ToolResultPart[];
}

export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** A function that the model may ask to be called. The library never calls it. */
export interface Tool {
  name: string;
  /** What it does and when to use it. */
  description?: string | undefined;
  /** JSON Schema of the arguments; absent means no arguments. */
  parameters?: JsonObject | undefined;
  /** Asks the provider to hold the model to the schema, where it can. */
  strict?: boolean | undefined;
}

/** `"auto"` (the model decides), `"none"`, `"required"` (some tool), or one tool by name. */
export type ToolChoice = "auto" | "none" | "required" | { name: string };
