// The image generation capability.

import type { MediaSource } from "./message.js";
import type { RequestOptions } from "./options.js";
import type { ResultMeta } from "./result.js";

export interface ImageRequest extends RequestOptions {
  prompt: string;
  /** How many, from 1 to 100; several requests where the provider makes fewer at once. Default 1. */
  n?: number | undefined;
  /** `1024x1536`. Give this or `aspectRatio`. */
  size?: string | undefined;
  /** `16:9`. */
  aspectRatio?: string | undefined;
  /** `low`, `medium`, `high` or `auto`; others are passed on as they are. */
  quality?: string | undefined;
  background?: "transparent" | "opaque" | "auto" | undefined;
  format?: "png" | "jpeg" | "webp" | undefined;
  seed?: number | undefined;
  /** What is to be edited or used as a reference. */
  images?: readonly MediaSource[] | undefined;
  /** Where the first of `images` may change: its transparent parts. */
  mask?: MediaSource | undefined;
}

export interface GeneratedImage {
  data: Buffer;
  /** `image/png` and the like. */
  contentType: string;
  /** What the provider made of the prompt, when it says. */
  revisedPrompt?: string;
}

export interface ImageResult extends ResultMeta {
  images: GeneratedImage[];
  /** What the provider counted, if anything. */
  usage: { inputTokens?: number; outputTokens?: number; totalTokens?: number };
}
