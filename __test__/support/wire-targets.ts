// Where the requests of `wire-cases` are sent: one target per protocol, with what its requests must
// look like from outside the body.

import type { SpecOptions } from "./specs.js";

export type TargetName =
  | "openai-responses"
  | "openai-chat"
  | "anthropic"
  | "gemini"
  | "groq"
  | "mistral";

export interface Target {
  name: TargetName;
  provider: string;
  /** Path of the base URL at the recorder. */
  base: string;
  model: string;
  providerOptions: { [name: string]: string };
  /** Path and query below the base, without and with a stream. */
  path: string;
  streamPath: string;
  /** The free request that checks a key. */
  verifyPath: string;
  /** The one header that carries the key, and what stands before it. */
  credential: [header: string, prefix: string];
  headers: Record<string, string>;
  spec: [file: string, schema: string, options?: SpecOptions];
}

const OPENAI: Pick<Target, "provider" | "base" | "model" | "credential" | "headers"> = {
  provider: "openai",
  base: "/openai/v1",
  model: "gpt-5.4-mini",
  credential: ["authorization", "Bearer "],
  headers: {},
};
const GEMINI = "gemini-3.7-flash";
const CHAT = { path: "/chat/completions", streamPath: "/chat/completions", verifyPath: "/models" };
const BEARER: Pick<Target, "credential" | "headers" | "providerOptions"> = {
  credential: ["authorization", "Bearer "],
  headers: {},
  providerOptions: {},
};

export const TARGETS: readonly Target[] = [
  {
    ...OPENAI,
    name: "openai-responses",
    providerOptions: {},
    path: "/responses",
    streamPath: "/responses",
    verifyPath: "/models",
    // A message is both an EasyInputMessage and an InputMessage.
    spec: ["openai.json.gz", "CreateResponse", { overlapping: ["InputItem", "Item"] }],
  },
  {
    ...OPENAI,
    ...CHAT,
    name: "openai-chat",
    providerOptions: { api: "chat-completions" },
    spec: ["openai.json.gz", "CreateChatCompletionRequest"],
  },
  {
    name: "anthropic",
    provider: "anthropic",
    base: "/anthropic",
    model: "claude-sonnet-5",
    providerOptions: {},
    path: "/v1/messages",
    streamPath: "/v1/messages",
    verifyPath: "/v1/models?limit=1",
    credential: ["x-api-key", ""],
    headers: { "anthropic-version": "2023-06-01" },
    spec: ["anthropic.yaml.gz", "CreateMessageParams"],
  },
  {
    name: "gemini",
    provider: "gemini",
    base: "/gemini/v1beta",
    model: GEMINI,
    providerOptions: {},
    path: `/models/${GEMINI}:generateContent`,
    streamPath: `/models/${GEMINI}:streamGenerateContent?alt=sse`,
    verifyPath: "/models?pageSize=1",
    credential: ["x-goog-api-key", ""],
    headers: {},
    spec: ["gemini.json.gz", "GenerateContentRequest", { closed: true }],
  },
  {
    ...BEARER,
    ...CHAT,
    name: "groq",
    provider: "groq",
    base: "/groq/openai/v1",
    model: "openai/gpt-oss-120b",
    spec: ["groq.yaml.gz", "CreateChatCompletionRequest"],
  },
  {
    ...BEARER,
    ...CHAT,
    name: "mistral",
    provider: "mistral",
    base: "/mistral/v1",
    model: "magistral-medium-latest",
    spec: ["mistral.yaml.gz", "ChatCompletionRequest"],
  },
];
