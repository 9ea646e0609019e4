// The public interfaces, by concern. Types only: nothing here exists at run time.

export type * from "./types/chat.js";
export type * from "./types/embed.js";
export type * from "./types/health.js";
export type * from "./types/image.js";
export type * from "./types/import.js";
export type * from "./types/key.js";
export type * from "./types/limits.js";
export type * from "./types/message.js";
export type * from "./types/options.js";
export type * from "./types/result.js";
export type * from "./types/rotation.js";
export type * from "./types/speech.js";
export type * from "./types/store.js";
export type * from "./types/telemetry.js";
export type * from "./types/transcription.js";
export type * from "./types/usage.js";
