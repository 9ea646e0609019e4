// What `byok-ai` exports, and no logic.

export type * from "./types.js";
