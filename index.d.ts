// The public types of byok-ai: what dist/index.js exports, and nothing of the addon.
/// <reference lib="esnext.disposable" />
export * from "./dist/index.js";
