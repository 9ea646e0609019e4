// Registering, listing and deleting users' keys: options and what comes back.

/** Any value that JSON can hold. */
export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;

/** A JSON object. Properties that are undefined are left out. */
export interface JsonObject {
  [name: string]: JsonValue | undefined;
}

/** What a user's key can be used for. */
export type Capability =
  | "chat"
  | "embeddings"
  | "textToSpeech"
  | "speechToText"
  | "imageGeneration";

/**
 * Whether a stored key is known to work.
 * - `active`: the provider accepted it when it was last asked.
 * - `unverified`: stored without asking the provider (`validate: "format"` or `false`).
 * - `invalid`: the provider refused it after it had been stored. Register a new one.
 */
export type KeyStatus = "active" | "unverified" | "invalid";

/** What is known about a stored key. Never the key itself: there is no way to get it back. */
export interface KeyInfo {
  userId: string;
  provider: string;
  /** `"default"` unless the key was registered with a label. */
  label: string;
  status: KeyStatus;
  /** What an interface may show: the first few and the last four characters, `sk-...wxyz`. Shorter
   * keys show less. */
  hint: string;
  /** Equal for equal keys under one master key: tells that two users share a key. Not reversible. */
  fingerprint: string;
  /** What the provider offers through this library. */
  capabilities: Capability[];
  /** ISO 8601 in UTC with milliseconds. */
  createdAt: string;
  updatedAt: string;
  /** When the provider last accepted the key; absent when it was never asked. */
  verifiedAt?: string;
  /** When this process last used the key; absent when it has not. */
  lastUsedAt?: string;
  /** What was given at registration; absent when nothing was. */
  metadata?: JsonObject;
}

/** Names the user. */
export interface UserOptions {
  /** The application's own id of the user: a string of 1 to 512 bytes of UTF-8, taken as it is (no
   * trimming, no case folding). */
  userId: string;
  /** Ends the operation with `ABORTED`. */
  signal?: AbortSignal | undefined;
}

/** Names one key of one user. */
export interface KeyOptions extends UserOptions {
  /** `"openai"`, `"anthropic"`, `"gemini"`, or a name under the `providers` option. */
  provider: string;
  /** Tells several keys of one user at one provider apart. Default `"default"`. */
  label?: string | undefined;
}

export interface VerifyKeyOptions extends KeyOptions {
  /** Upper bound for asking the provider, in milliseconds. */
  timeoutMs?: number | undefined;
}

export interface RegisterKeyOptions extends KeyOptions {
  /**
   * What the user pasted; white space around it is trimmed. 1 to 8,192 visible ASCII characters.
   *
   * A `Uint8Array` is read before the method returns and then filled with zeros, also when the call
   * fails. A string can't be wiped from memory by anyone. An object is for providers that take more
   * than a key, which is its `apiKey`: `{ apiKey, resource }` for `azure-openai`. All of it is sealed as
   * one; a field that the provider does not know is refused. Absent only for servers that need no key.
   */
  apiKey?: string | Uint8Array | Record<string, string> | undefined;
  /** The user's own endpoint. Sealed with the key, which is sent nowhere else. Allowed only where the
   * application set `allowUserBaseURL` for the provider. */
  baseURL?: string | undefined;
  /**
   * - `"live"` (default): asks the provider with its cheapest authenticated request. A key that the
   *   provider refuses is `KEY_REJECTED`; when the provider can't be asked it is
   *   `PROVIDER_UNAVAILABLE` or the like. In each case nothing is stored.
   * - `"format"`: checks the characters only and stores the key as `unverified`.
   * - `false`: the same as `"format"`; characters that can't stand in a header are never stored.
   */
  validate?: "live" | "format" | false | undefined;
  /** Kept beside the key in clear text and returned by `listKeys`; no secrets. */
  metadata?: JsonObject | undefined;
  /** Upper bound for the live check, in milliseconds. */
  timeoutMs?: number | undefined;
}

/** What there is to know of a provider without any user. */
export interface ProviderInfo {
  /** What requests and records call it. */
  provider: string;
  /** What people call it. */
  name: string;
  baseURL: string;
  capabilities: Capability[];
  /** The model of requests that name none: the application's, else the library's. */
  defaultModels: Partial<Record<Capability, string>>;
  /** What a credential has beside the key: `apiKey: { apiKey, <name> }`. */
  fields: { name: string; required: boolean; what: string }[];
  /** Whether users can be registered without a key, as for a server of one's own. */
  keyIsOptional: boolean;
}
