// The text-to-speech capability.

import type { RequestOptions } from "./options.js";
import type { ResultMeta } from "./result.js";

/** `pcm` is bare samples as `contentType` describes them. A provider's own names (`mp3_44100_192`) are
 * passed on as they are. */
export type AudioFormat = "mp3" | "wav" | "pcm" | "opus" | "aac" | "flac" | (string & {});

export interface SpeechRequest extends RequestOptions {
  text: string;
  /** The provider's own name or id of a voice. Default: one that the library picks. Not used for
   * another provider after a fallback. */
  voice?: string | undefined;
  /** Default: what the provider gives unasked; `wav` where that is bare samples. */
  format?: AudioFormat | undefined;
  /** 1 is the voice's own speed. */
  speed?: number | undefined;
  /** How to speak, for models that take it. */
  instructions?: string | undefined;
  /** ISO 639-1. */
  language?: string | undefined;
}

/** What the provider counted; it counts some of these or none. */
export interface SpeechUsage {
  characters?: number;
  inputTokens?: number;
  outputTokens?: number;
}

export interface SpeechResult extends ResultMeta {
  audio: Buffer;
  /** `audio/mpeg` and the like. */
  contentType: string;
  usage: SpeechUsage;
}

/** What a stream of audio begins with. */
export interface AudioInfo extends ResultMeta {
  /** `audio/mpeg` and the like. */
  contentType: string;
}
