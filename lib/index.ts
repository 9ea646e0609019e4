// What `byok-ai` exports, and no logic.

export type { AudioStream } from "./audio-stream.js";
export { BYOK } from "./byok.js";
export {
  AbortError,
  BYOKError,
  type BYOKErrorCode,
  ERROR_CODES,
  ProviderError,
  StoreError,
} from "./errors.js";

export type { ForwardedRequest } from "./forward.js";
export { rateLimitHeaders } from "./limits/headers.js";

export { MemoryStore } from "./stores/memory.js";
export { SqliteStore } from "./stores/sqlite.js";
export type { ChatStream } from "./stream.js";
export type * from "./types.js";
export { loadPrices } from "./usage/prices.js";
export type { User } from "./user.js";
