// The speech-to-text capability.

import type { RequestOptions } from "./options.js";
import type { Progress, ResultMeta } from "./result.js";

/** Audio as bytes, or as something that is read while it is sent. */
export type AudioSource =
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

export interface TranscriptionRequest extends RequestOptions {
  /** A stream is never held in memory as a whole. It can be read once, so it is neither retried nor
   * tried with another key once it has begun. */
  audio: AudioSource;
  /** Its extension tells the format. Needed, or `mediaType`, for streams. Default for a `File`: its name. */
  filename?: string | undefined;
  /** `audio/wav` and the like. Default: what a Blob says, or what the bytes look like. */
  mediaType?: string | undefined;
  /** ISO 639-1. Default: the provider finds out. */
  language?: string | undefined;
  /** Words and names that may occur, for models that take it. */
  prompt?: string | undefined;
  /** Which times are wanted. Those that come unasked are given in any case. */
  timestamps?: "none" | "segment" | "word" | undefined;
  /** Whether speakers are to be told apart, for models that can. */
  diarize?: boolean | undefined;
  temperature?: number | undefined;
  /** Told of the bytes that were sent. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Seconds are counted from the beginning of the audio. */
export interface TranscriptionSegment {
  text: string;
  startSeconds: number;
  endSeconds: number;
  /** The provider's name of who speaks; absent unless speakers are told apart. */
  speaker?: string;
}

/** Seconds are counted from the beginning of the audio. */
export interface TranscriptionWord {
  text: string;
  startSeconds: number;
  endSeconds: number;
  speaker?: string;
}

export interface TranscriptionResult extends ResultMeta {
  text: string;
  /** As the provider names it: usually ISO 639-1. Absent when it does not say. */
  language?: string;
  durationSeconds?: number;
  segments?: TranscriptionSegment[];
  words?: TranscriptionWord[];
  /** What the provider counted: seconds or tokens, or nothing. */
  usage: { audioSeconds?: number; inputTokens?: number; outputTokens?: number };
}
