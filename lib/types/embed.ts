// The embeddings capability.

import type { RequestOptions } from "./options.js";
import type { Progress, ResultMeta } from "./result.js";

/** What vectors are for, where the provider tells it apart; another word is passed on as it is. */
export type EmbedInputType =
  | "query"
  | "document"
  | "similarity"
  | "classification"
  | "clustering"
  | (string & {});

export interface EmbedRequest extends RequestOptions {
  /** One text or many, none of them empty. More than the provider takes at once are split into several
   * requests, and their order is kept. */
  input: string | readonly string[];
  /** Length of each vector, for models that can shorten theirs. */
  dimensions?: number | undefined;
  inputType?: EmbedInputType | undefined;
  /** Told of the number of inputs that are done. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface EmbedResult extends ResultMeta {
  /** One vector for each input, in their order, all of the same length. They share one buffer. */
  embeddings: Float32Array[];
  usage: {
    /** Absent when the provider does not say. */
    inputTokens?: number;
  };
}
