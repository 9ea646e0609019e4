// The official SDKs as a second reading of the same bytes: each answer they give is brought to the
// form that answers have here, by rules written from the providers' documentation alone.

import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import type { ChatResult, FinishReason } from "../../dist/index.js";
import type { Api, Json } from "./recordings.js";

/** What is compared of an answer. Counts that a provider doesn't give are 0. */
export interface Reading {
  text: string;
  calls: [name: string, args: Json][];
  finishReason: FinishReason;
  usage: Record<"input" | "output" | "total" | "cached" | "reasoning", number>;
}

export function readingOf(result: ChatResult): Reading {
  const { inputTokens, outputTokens, totalTokens } = result.usage;
  return {
    text: result.text,
    calls: result.toolCalls.map((call) => [call.name, call.rawArguments ?? call.arguments]),
    finishReason: result.finishReason,
    usage: {
      input: inputTokens,
      output: outputTokens,
      total: totalTokens,
      cached: result.usage.cachedInputTokens ?? 0,
      reasoning: result.usage.reasoningTokens ?? 0,
    },
  };
}

/** Asks with the SDK of a protocol; `headers` say for what. */
export type Ask = (headers: Record<string, string>, isStream: boolean) => Promise<Reading>;

/** `events` is the Responses API without the stream helper.
 * @param fetchOf - what each SDK sends with; the runtime's own unless given */
export function officialSdks(
  origin: string,
  fetchOf: (provider: "openai" | "anthropic" | "gemini") => typeof fetch = () => fetch,
): Record<Exclude<Api, "other"> | "events", Ask> {
  const common = { apiKey: "sk-test", maxRetries: 0 };
  const openai = new OpenAI({ ...common, baseURL: `${origin}/v1`, fetch: fetchOf("openai") });
  const anthropic = new Anthropic({ ...common, baseURL: origin, fetch: fetchOf("anthropic") });
  const httpOptions = { baseUrl: origin, fetch: fetchOf("gemini") };
  const gemini = new GoogleGenAI({ apiKey: "AQ.test", httpOptions });
  const messages = [{ role: "user" as const, content: "hi" }];
  return {
    "chat-completions": async (headers, isStream) => {
      const body = { model: "m", messages };
      if (!isStream) return ofCompletion(await openai.chat.completions.create(body, { headers }));
      const chunks: Json[] = [];
      const stream = await openai.chat.completions.create({ ...body, stream: true }, { headers });
      for await (const chunk of stream) chunks.push(chunk);
      return ofCompletion(joined(chunks));
    },
    responses: async (headers, isStream) => {
      const body = { model: "m", input: "hi" };
      if (!isStream) return ofResponse(await openai.responses.create(body, { headers }));
      return ofResponse(await openai.responses.stream(body, { headers }).finalResponse());
    },
    events: async (headers) => {
      const body = { model: "m", input: "hi", stream: true as const };
      let last: Json;
      for await (const event of await openai.responses.create(body, { headers })) last = event;
      return ofResponse(last.response);
    },
    messages: async (headers, isStream) => {
      const body = { model: "m", max_tokens: 100, messages };
      if (!isStream) return ofMessage(await anthropic.messages.create(body, { headers }));
      return ofMessage(await anthropic.messages.stream(body, { headers }).finalMessage());
    },
    "generate-content": async (headers, isStream) => {
      const body = { model: "m", contents: "hi", config: { httpOptions: { headers } } };
      if (!isStream) return ofAnswers([await gemini.models.generateContent(body)]);
      const answers: Json[] = [];
      for await (const answer of await gemini.models.generateContentStream(body))
        answers.push(answer);
      return ofAnswers(answers);
    },
  };
}

/** The chunks of a Chat Completions stream as the completion that they are pieces of. */
function joined(chunks: Json[]): Json {
  const message: Json = { content: "", refusal: "", tool_calls: [] };
  let finish: string | undefined;
  let usage: Json;
  for (const chunk of chunks) {
    usage = chunk.usage ?? chunk.x_groq?.usage ?? usage;
    const choice = chunk.choices?.[0];
    finish = choice?.finish_reason ?? finish;
    message.content += textOf(choice?.delta?.content);
    message.refusal += choice?.delta?.refusal ?? "";
    for (const piece of choice?.delta?.tool_calls ?? []) {
      const at = piece.index ?? message.tool_calls.length;
      message.tool_calls[at] ??= { function: { name: "", arguments: "" } };
      const call = message.tool_calls[at].function;
      call.name ||= piece.function?.name ?? "";
      call.arguments += piece.function?.arguments ?? "";
    }
  }
  message.tool_calls = message.tool_calls.filter(Boolean);
  return { choices: [{ message, finish_reason: finish }], usage };
}

function ofCompletion(completion: Json): Reading {
  const { message, finish_reason: finish } = completion.choices[0];
  const calls = (message.tool_calls ?? []).map((call: Json) => callOf(call.function));
  return {
    text: textOf(message.content) + (message.refusal ?? ""),
    calls,
    finishReason: finishOfCompletion(finish, calls.length > 0, Boolean(message.refusal)),
    usage: openaiUsage(completion.usage ?? completion.x_groq?.usage),
  };
}

export function finishOfCompletion(
  word: string | null | undefined,
  hasCalls: boolean,
  hasRefusal = false,
): FinishReason {
  if (word === "length") return "length";
  if (word === "content_filter") return "content-filter";
  if (word === "tool_calls" || hasCalls) return "tool-calls";
  if (word !== "stop") return "other";
  return hasRefusal ? "content-filter" : "stop";
}

/** Mistral's content may be an array of `thinking` and `text`. */
function textOf(content: Json): string {
  if (!Array.isArray(content)) return content ?? "";
  return content.map((chunk) => (chunk.type === "text" ? chunk.text : "")).join("");
}

function callOf(call: Json): [string, Json] {
  const text = call.arguments ?? "";
  if (typeof text !== "string") return [call.name, text];
  return [call.name, text === "" ? {} : parsedOr(text)];
}

function parsedOr(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return text; // the model's own text, which `rawArguments` keeps
  }
}

function ofResponse(response: Json): Reading {
  const items: Json[] = response.output;
  const parts = items.flatMap((item) => (item.type === "message" ? item.content : []));
  const calls = items.filter((item) => item.type === "function_call").map(callOf);
  const refusal = parts.some((part) => part.type === "refusal");
  // One that is queued, or still at work in the background, has not stopped for a reason. One
  // recording, written by hand, has a status that the API hasn't: complete.
  const isDone = response.status === "completed" || response.status === "complete";
  const word = isDone ? "stop" : response.incomplete_details?.reason;
  return {
    text: parts.map((part) => part.text ?? part.refusal ?? "").join(""),
    calls,
    finishReason: finishOfCompletion(
      word === "max_output_tokens" ? "length" : word,
      calls.length > 0 && isDone,
      refusal,
    ),
    usage: openaiUsage(response.usage),
  };
}

/** Either API's. xAI counts reasoning beside the output: its total shows that. */
function openaiUsage(usage: Json): Reading["usage"] {
  const input = usage?.prompt_tokens ?? usage?.input_tokens ?? 0;
  let output = usage?.completion_tokens ?? usage?.output_tokens ?? 0;
  const details = usage?.completion_tokens_details ?? usage?.output_tokens_details;
  const inputs = usage?.prompt_tokens_details ?? usage?.input_tokens_details;
  const reasoning = details?.reasoning_tokens ?? 0;
  if (reasoning > 0 && usage?.total_tokens === input + output + reasoning) output += reasoning;
  const cached =
    inputs?.cached_tokens ?? usage?.prompt_cache_hit_tokens ?? usage?.cached_tokens ?? 0;
  return { input, output, total: usage?.total_tokens ?? input + output, cached, reasoning };
}

function ofMessage(message: Json): Reading {
  const blocks: Json[] = message.content;
  return {
    text: blocks.map((block) => (block.type === "text" ? block.text : "")).join(""),
    calls: blocks
      .filter((block) => block.type === "tool_use")
      .map((block) => [block.name, block.input]),
    finishReason: finishOfMessage(message.stop_reason),
    usage: anthropicUsage(message.usage),
  };
}

export function finishOfMessage(word: string): FinishReason {
  if (word === "end_turn" || word === "stop_sequence") return "stop";
  if (word === "max_tokens") return "length";
  if (word === "tool_use") return "tool-calls";
  return word === "refusal" ? "content-filter" : "other";
}

export function anthropicUsage(usage: Json): Reading["usage"] {
  const cached = usage.cache_read_input_tokens ?? 0;
  const input = usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0);
  const output = usage.output_tokens;
  const reasoning = usage.output_tokens_details?.thinking_tokens ?? 0;
  return { input, output, total: input + output, cached, reasoning };
}

function ofAnswers(answers: Json[]): Reading {
  let word = "";
  let usage: Json = {};
  let text = "";
  const calls: [string, Json][] = [];
  for (const answer of answers) {
    const candidate = answer.candidates?.[0];
    word = candidate?.finishReason ?? word;
    if (answer.usageMetadata?.totalTokenCount !== undefined) usage = answer.usageMetadata;
    for (const part of candidate?.content?.parts ?? []) {
      if (!part.thought) text += part.text ?? "";
      if (part.functionCall?.name)
        calls.push([part.functionCall.name, part.functionCall.args ?? {}]);
    }
  }
  return {
    text,
    calls,
    finishReason: finishOfAnswer(word, calls.length > 0),
    usage: geminiUsage(usage),
  };
}

export function finishOfAnswer(word: string, hasCalls: boolean): FinishReason {
  if (word === "MAX_TOKENS") return "length";
  if (word === "STOP") return hasCalls ? "tool-calls" : "stop";
  return "other";
}

export function geminiUsage(usage: Json): Reading["usage"] {
  const reasoning = usage.thoughtsTokenCount ?? 0;
  return {
    input: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
    output: (usage.candidatesTokenCount ?? 0) + reasoning,
    total: usage.totalTokenCount ?? 0,
    cached: usage.cachedContentTokenCount ?? 0,
    reasoning,
  };
}
