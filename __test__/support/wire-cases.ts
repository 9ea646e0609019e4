// Chat requests that together use every feature, for what is sent to be compared with the providers'
// descriptions. Each says which text proves that the feature arrived in the body, and where it can't.

import type { ChatRequest, JsonObject, Signature } from "../../dist/index.js";
import type { TargetName } from "./wire-targets.js";

export interface WireCase {
  name: string;
  request: (target: TargetName) => ChatRequest;
  stream?: boolean;
  /** Texts that the body must contain. */
  marks?: readonly string[];
  /** Targets that leave it out, with a warning about this option. */
  warns?: { option: string; at: readonly TargetName[] };
  /** Targets that have no place for it: `INVALID_ARGUMENT`, and nothing is sent. */
  refusedBy?: readonly TargetName[];
}

const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const PDF = Buffer.from("%PDF-1.4\n%%EOF\n");
const WAV = Buffer.from("524946462400000057415645666d7420", "hex");

const CITY: JsonObject = {
  type: "object",
  properties: { city: { type: "string", description: "A city" } },
  required: ["city"],
  additionalProperties: false,
};
const WEATHER = { name: "weather", description: "The weather of a city", parameters: CITY };
const CLOCK = { name: "clock", description: "The time now" };

const PROVIDER_OF: Record<TargetName, string> = {
  "openai-responses": "openai",
  "openai-chat": "openai",
  anthropic: "anthropic",
  gemini: "gemini",
  groq: "groq",
  mistral: "mistral",
};
/** Base64, as all providers' opaque values are. */
const OPAQUE = Buffer.from("signed thoughts").toString("base64");
const signed = (target: TargetName): Signature => ({
  provider: PROVIDER_OF[target],
  value: OPAQUE,
  id: "rs_1",
});

const call = (id: string, city: string) =>
  ({ type: "tool-call", id, name: "weather", arguments: { city } }) as const;
const ASKED = { role: "user", content: "What is the weather in Madrid?" } as const;

const fixed = (request: ChatRequest) => () => request;
const user = (...content: object[]) =>
  fixed({ messages: [{ role: "user", content }] } as ChatRequest);

export const CASES: readonly WireCase[] = [
  { name: "a prompt", request: fixed({ prompt: "Hello there" }), marks: ["Hello there"] },
  {
    name: "a stream",
    request: fixed({ prompt: "Hello there" }),
    stream: true,
    marks: ["Hello there"],
  },
  {
    name: "instructions",
    request: fixed({ system: "You are terse.", prompt: "Hello" }),
    marks: ["You are terse."],
  },
  {
    name: "a conversation with a system message",
    request: fixed({
      messages: [
        { role: "system", content: [{ type: "text", text: "Speak French." }] },
        { role: "user", content: "Hello" },
        { role: "assistant", content: "Bonjour" },
        {
          role: "user",
          content: [
            { type: "text", text: "And" },
            { type: "text", text: "now?" },
          ],
        },
      ],
    }),
    marks: ["Speak French.", "Bonjour", "now?"],
  },
  {
    name: "an image by its bytes",
    request: user({ type: "text", text: "What is it?" }, { type: "image", image: PNG }),
    marks: [PNG.toString("base64")],
  },
  {
    name: "an image by its bytes, with detail",
    request: user({ type: "image", image: PNG, mediaType: "image/png", detail: "low" }),
    marks: [PNG.toString("base64"), "image/png"],
    warns: { option: "messages[0].content[0].detail", at: ["anthropic", "gemini"] },
  },
  {
    name: "an image by its URL",
    request: user({ type: "image", image: "https://example.com/cat.png" }),
    marks: ["https://example.com/cat.png"],
  },
  {
    name: "a file by its bytes",
    request: user({ type: "file", data: PDF, mediaType: "application/pdf", filename: "a.pdf" }),
    marks: [PDF.toString("base64")],
    refusedBy: ["groq"],
  },
  {
    name: "a file by its URL",
    request: user({
      type: "file",
      data: "https://example.com/a.pdf",
      mediaType: "application/pdf",
    }),
    marks: ["https://example.com/a.pdf"],
    refusedBy: ["groq", "openai-chat"],
  },
  {
    name: "a sound by its bytes",
    request: user({ type: "audio", data: WAV, mediaType: "audio/wav" }),
    marks: [WAV.toString("base64")],
    refusedBy: ["openai-responses", "anthropic", "groq"],
  },
  {
    name: "tools with and without arguments",
    request: fixed({ prompt: "Weather?", tools: [WEATHER, CLOCK] }),
    marks: ["The weather of a city", "clock"],
  },
  {
    name: "a strict tool in a stream",
    request: fixed({ prompt: "Weather?", tools: [{ ...WEATHER, strict: true }] }),
    stream: true,
    marks: ["The weather of a city"],
  },
  {
    name: "a tool that is not strict",
    request: fixed({ prompt: "Weather?", tools: [{ ...WEATHER, strict: false }] }),
    marks: ["The weather of a city"],
  },
  ...(["auto", "none", "required", { name: "clock" }] as const).map((toolChoice) => ({
    name: `tool choice ${JSON.stringify(toolChoice)}`,
    request: fixed({ prompt: "Weather?", tools: [WEATHER, CLOCK], toolChoice }),
    marks: ["clock"],
  })),
  ...[true, false].map((parallelToolCalls) => ({
    name: `parallel tool calls ${parallelToolCalls}`,
    request: fixed({ prompt: "Weather?", tools: [WEATHER], parallelToolCalls }),
    marks: ["weather"],
    warns: { option: "parallelToolCalls", at: parallelToolCalls ? [] : (["gemini"] as const) },
  })),
  {
    name: "results of two calls, one of them an error",
    request: fixed({
      tools: [WEATHER],
      messages: [
        ASKED,
        {
          role: "assistant",
          content: [
            { type: "text", text: "Let me see." },
            call("call_1", "Madrid"),
            call("call_2", "Rome"),
          ],
        },
        {
          role: "tool",
          content: [
            { type: "tool-result", id: "call_1", result: { degrees: 31 } },
            { type: "tool-result", id: "call_2", result: "no such station", isError: true },
          ],
        },
        { role: "user", content: "Go on." },
      ],
    }),
    marks: ["Let me see.", "Rome", "31", "no such station", "Go on."],
  },
  {
    name: "the result of a call without a text",
    request: fixed({
      tools: [WEATHER],
      messages: [
        ASKED,
        { role: "assistant", content: [call("call_1", "Madrid")] },
        { role: "tool", content: [{ type: "tool-result", id: "call_1", result: "sunny" }] },
      ],
    }),
    marks: ["sunny"],
  },
  {
    name: "an answer that satisfies a schema",
    request: fixed({ prompt: "A city?", output: CITY }),
    marks: ["json", "A city"],
  },
  {
    name: "a named strict schema in a stream",
    request: fixed({ prompt: "A city?", output: { schema: CITY, name: "town", strict: true } }),
    stream: true,
    marks: ["A city"],
  },
  ...["none", "low", "high"].map((effort) => ({
    name: `reasoning with effort ${effort}`,
    request: fixed({ prompt: "Think.", reasoning: { effort } }),
    marks: ["Think."],
  })),
  {
    name: "reasoning with a summary",
    request: fixed({ prompt: "Think.", reasoning: { effort: "medium", summary: true } }),
    stream: true,
    marks: ["Think."],
  },
  {
    name: "reasoning with a bound",
    request: fixed({ prompt: "Think.", maxTokens: 4000, reasoning: { maxTokens: 2000 } }),
    marks: ["4000"],
    warns: {
      option: "reasoning.maxTokens",
      at: ["openai-responses", "openai-chat", "groq", "mistral"],
    },
  },
  {
    name: "reasoning sent back with its signature",
    request: (target) => ({
      tools: [WEATHER],
      messages: [
        ASKED,
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "They want Madrid.", signature: signed(target) },
            { ...call("call_1", "Madrid"), signature: signed(target) },
          ],
        },
        { role: "tool", content: [{ type: "tool-result", id: "call_1", result: "sunny" }] },
      ],
    }),
    marks: ["sunny"],
    warns: { option: "messages[1].content[0]", at: ["openai-chat", "groq"] },
  },
  {
    name: "reasoning of another provider",
    request: fixed({
      messages: [
        ASKED,
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "Hm.", signature: { provider: "elsewhere", value: "x" } },
            { type: "text", text: "It is sunny." },
          ],
        },
        { role: "user", content: "Thanks." },
      ],
    }),
    marks: ["It is sunny."],
    warns: {
      option: "messages[1].content[0]",
      at: ["openai-responses", "openai-chat", "anthropic", "gemini", "groq", "mistral"],
    },
  },
  {
    name: "a stop text",
    request: fixed({ prompt: "Count.", stop: "seven" }),
    marks: ["seven"],
    warns: { option: "stop", at: ["openai-responses"] },
  },
  {
    name: "stop texts",
    request: fixed({ prompt: "Count.", stop: ["seven", "eight"] }),
    marks: ["seven", "eight"],
    warns: { option: "stop", at: ["openai-responses"] },
  },
  {
    name: "a seed",
    request: fixed({ prompt: "Dice.", seed: 987_654 }),
    marks: ["987654"],
    warns: { option: "seed", at: ["openai-responses", "anthropic"] },
  },
  {
    name: "sampling",
    request: fixed({ prompt: "Dice.", temperature: 0.25, topP: 0.75 }),
    marks: ["0.25", "0.75"],
  },
  {
    name: "a bound of tokens",
    request: fixed({ prompt: "Briefly.", maxTokens: 321 }),
    marks: ["321"],
  },
  {
    name: "fields of the provider's own",
    request: (target) => ({ prompt: "Hello", providerOptions: OWN[target] }),
    marks: ["own-mark"],
  },
];

const OWN: Record<TargetName, JsonObject> = {
  "openai-responses": { service_tier: "flex", prompt_cache_key: "own-mark" },
  "openai-chat": { service_tier: "flex", prompt_cache_key: "own-mark" },
  anthropic: { metadata: { user_id: "own-mark" }, service_tier: "auto" },
  gemini: { cachedContent: "cachedContents/own-mark", generationConfig: { topK: 3 } },
  groq: { user: "own-mark" },
  mistral: { metadata: { note: "own-mark" } },
};
