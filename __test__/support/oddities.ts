// What is known of single recordings: those whose reading deliberately differs from the official
// SDK's, those that hold no answer, and where each protocol's proof of a complete answer is.

import { eventsOf, type Json, type Recording } from "./recordings.js";
import type { Reading } from "./sdks.js";

/** Gemini's streams whose arguments come in pieces (`partialArgs`), read by eye: the SDK and
 * EXPECTED.json take every piece for a call of its own. */
export const CALLS_IN_PIECES: Record<string, Reading["calls"]> = {
  "google-stream-tool-call-arguments.chunks.txt": [
    ["getWeather", { location: "Boston" }],
    ["getWeather", { location: "San Francisco" }],
  ],
  "google-stream-no-args-tool-call.chunks.txt": [
    ["read_theme", {}],
    ["read_screen", { id: "A" }],
    ["read_screen", { id: "B" }],
    ["read_screen", { id: "C" }],
  ],
  "google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt": [
    [
      "writeItems",
      {
        operations: [
          { action: "add", description: "Fresh red apple", itemid: "apple_001", price: 0.5 },
          { action: "add", description: "Ripe yellow banana", itemid: "banana_001", price: 0.3 },
        ],
      },
    ],
  ],
};

/** Streams that the SDK's stream helper refuses, so that its plain iteration is what is compared. */
const REFUSED_BY_HELPER: { path: string; reason: string }[] = [
  {
    path: "openai/responses/openai-apply-patch-tool.1.chunks.txt",
    reason: "has an event of a type that the helper doesn't know; unknown ones are ignored here",
  },
];

export function isRefusedByHelper({ path }: Recording): boolean {
  return REFUSED_BY_HELPER.some((known) => path.endsWith(known.path));
}

/** A fixture written by hand whose first and last event lack their closing brace: not JSON. */
const NOT_JSON = "openai/responses/parallel-tool-call-wrapper.1";

/** Streams that their provider ended with an error, and the one that is not JSON. */
export function hasNoAnswer(recording: Recording): boolean {
  if (recording.path.includes(NOT_JSON)) return true;
  return eventsOf(recording.body).some(
    (event) =>
      (typeof event?.error === "object" && event.error !== null) ||
      event?.type === "error" ||
      event?.type === "response.failed",
  );
}

/** Providers whose streams end with `[DONE]`; others may close after the finish reason. */
const SAYS_DONE =
  /^(openai|azure-openai|groq|deepseek|xai|openrouter|mistral|together|moonshot|cerebras)$/;

/** Where the proof that a stream is complete ends, in bytes: what is after it may be lost. */
export function proofOfEnd(recording: Recording, provider: string): number {
  const { api, body } = recording;
  const needsDone = SAYS_DONE.test(provider) && body.includes("data: [DONE]");
  let end = 0;
  let at = 0;
  for (const line of body.toString("latin1").split(/(?<=\n)/)) {
    const data = line.startsWith("data:") ? line.slice("data:".length).trim() : "";
    const event: Json = data.startsWith("{") ? JSON.parse(data) : {};
    const isProof =
      api === "chat-completions"
        ? data === "[DONE]" || (!needsDone && typeof event.choices?.[0]?.finish_reason === "string")
        : isLast(api, event);
    if (isProof && (end === 0 || api === "generate-content" || api === "messages"))
      end = at + line.trimEnd().length;
    at += line.length;
  }
  if (end === 0) throw new Error(`${recording.path} has no end`);
  return end;
}

function isLast(api: Recording["api"], event: Json): boolean {
  if (api === "responses")
    return event.type === "response.completed" || event.type === "response.incomplete";
  if (api === "messages") return event.type === "message_stop";
  return typeof event.candidates?.[0]?.finishReason === "string";
}
