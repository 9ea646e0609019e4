// A language model of the AI SDK over `user.chat` and `user.chatStream`.

import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4ToolChoice,
  LanguageModelV4Usage,
  SharedV4Warning,
} from "@ai-sdk/provider";
import type {
  AssistantPart,
  ChatEvent,
  ChatRequest,
  ChatResult,
  JsonObject,
  MediaSource,
  Tool,
  ToolChoice,
  Usage,
} from "../../types.js";
import type { User } from "../../user.js";
import type { ModelRoute } from "../ai.js";
import {
  asWarning,
  identity,
  metadata,
  requestOptions,
  responseOf,
  unsupported,
} from "./common.js";
import { layoutOf } from "./layout.js";
import { messagesOf } from "./prompt.js";

export function languageModel(user: User, route: ModelRoute): LanguageModelV4 {
  return {
    ...identity(route),
    // The AI SDK fetches what is named by URL, and the bytes go to the provider.
    supportedUrls: {},
    async doGenerate(call) {
      const [request, warnings] = requestOf(route, call);
      const result = await user.chat(request);
      return {
        content: contentOf(result.content),
        finishReason: finishOf(result),
        usage: usageOf(result.usage),
        warnings: [...warnings, ...result.warnings.map(asWarning)],
        providerMetadata: metadata(result),
        response: { ...responseOf(result), ...(result.raw !== undefined && { body: result.raw }) },
      };
    },
    async doStream(call) {
      const [request, warnings] = requestOf(route, call);
      const stream = user.chatStream(request);
      const events = stream[Symbol.asyncIterator]();
      // An error before the first event is one of the call, which the AI SDK can tell from a broken stream.
      const first = await events.next();
      const parts = partsOf(first, events, () => stream.result, warnings);
      return { stream: ReadableStream.from(parts) as ReadableStream<LanguageModelV4StreamPart> };
    },
  };
}

function requestOf(
  route: ModelRoute,
  call: LanguageModelV4CallOptions,
): [ChatRequest, SharedV4Warning[]] {
  const warnings: SharedV4Warning[] = [];
  for (const feature of ["topK", "presencePenalty", "frequencyPenalty"] as const) {
    if (call[feature] !== undefined)
      warnings.push(
        unsupported(
          feature,
          "Give the provider's own field in providerOptions: { byok: { ... } }.",
        ),
      );
  }
  const { responseFormat: format, reasoning } = call;
  const request: ChatRequest = {
    ...requestOptions(route, call),
    messages: messagesOf(call.prompt, warnings),
    maxTokens: call.maxOutputTokens,
    temperature: call.temperature,
    topP: call.topP,
    stop: call.stopSequences,
    seed: call.seed,
    ...toolsOf(call, warnings),
    ...(format?.type === "json" && { output: outputOf(format) }),
    ...(reasoning !== undefined &&
      reasoning !== "provider-default" && { reasoning: { effort: reasoning } }),
    ...(call.includeRawChunks && { includeRaw: true }),
  };
  return [request, warnings];
}

/** Without a schema any object will do. */
function outputOf({ schema, name }: { schema?: object; name?: string }): ChatRequest["output"] {
  if (schema === undefined) return { schema: { type: "object" }, strict: false };
  return { schema: schema as JsonObject, ...(name !== undefined && { name }) };
}

function toolsOf(
  { tools, toolChoice }: LanguageModelV4CallOptions,
  warnings: SharedV4Warning[],
): Pick<ChatRequest, "tools" | "toolChoice"> {
  const functions = (tools ?? []).flatMap((tool): Tool[] => {
    if (tool.type === "provider") {
      warnings.push(unsupported(`provider-defined tool ${tool.id}`));
      return [];
    }
    const { name, description, inputSchema, strict } = tool;
    return [{ name, description, parameters: inputSchema as JsonObject, strict }];
  });
  if (functions.length === 0) return {};
  return { tools: functions, ...(toolChoice && { toolChoice: choiceOf(toolChoice) }) };
}

function choiceOf(choice: LanguageModelV4ToolChoice): ToolChoice {
  return choice.type === "tool" ? { name: choice.toolName } : choice.type;
}

function contentOf(content: readonly AssistantPart[]): LanguageModelV4Content[] {
  return content.map((part): LanguageModelV4Content => {
    if (part.type === "text" || part.type === "reasoning")
      return { type: part.type, text: part.text, ...signed(part) };
    if (part.type === "tool-call") return callOf(part);
    return fileOf(part.type === "image" ? part.image : part.data, part);
  });
}

function callOf(part: Extract<AssistantPart, { type: "tool-call" }>) {
  return {
    type: "tool-call" as const,
    toolCallId: part.id,
    toolName: part.name,
    input: part.rawArguments ?? JSON.stringify(part.arguments),
    ...signed(part),
  };
}

function signed(part: { signature?: unknown }) {
  if (part.signature === undefined) return {};
  return { providerMetadata: { byok: { signature: part.signature as JsonObject } } };
}

function fileOf(
  source: MediaSource,
  part: { type: string; mediaType?: string | undefined },
): LanguageModelV4Content {
  const [, inData, base64] = /^data:([^;,]+)[^,]*;base64,(.*)$/s.exec(String(source)) ?? [];
  const guess = part.type === "image" ? "image/png" : "application/octet-stream";
  const mediaType = part.mediaType ?? inData ?? guess;
  if (typeof source === "string" && /^https?:/.test(source))
    return { type: "file", mediaType, data: { type: "url", url: new URL(source) } };
  const data = base64 ?? (typeof source === "string" ? source : (source as Uint8Array));
  return { type: "file", mediaType, data: { type: "data", data } };
}

function finishOf({ finishReason, rawFinishReason }: ChatResult): LanguageModelV4FinishReason {
  return { unified: finishReason, raw: rawFinishReason };
}

function usageOf(usage: Usage): LanguageModelV4Usage {
  const {
    inputTokens,
    outputTokens,
    cachedInputTokens: cached,
    reasoningTokens: reasoning,
  } = usage;
  // No answer is made of no tokens: the provider did not say.
  const known = usage.totalTokens > 0;
  return {
    inputTokens: {
      total: known ? inputTokens : undefined,
      noCache: known && cached !== undefined ? inputTokens - cached : undefined,
      cacheRead: cached,
      cacheWrite: undefined,
    },
    outputTokens: {
      total: known ? outputTokens : undefined,
      text: known && reasoning !== undefined ? outputTokens - reasoning : undefined,
      reasoning,
    },
  };
}

/** Events as stream parts: texts in blocks that open and close, calls once their signatures are known. */
async function* partsOf(
  first: IteratorResult<ChatEvent, undefined>,
  events: AsyncIterator<ChatEvent, undefined>,
  result: () => Promise<ChatResult>,
  warnings: SharedV4Warning[],
): AsyncGenerator<LanguageModelV4StreamPart, void> {
  let finished = false;
  try {
    yield { type: "stream-start", warnings };
    let open: { type: "text" | "reasoning"; id: string } | undefined;
    let blocks = 0;
    const inputs = new Set<string>();
    for (let next = first; !next.done; next = await events.next()) {
      const event = next.value;
      if (event.type === "text-delta" || event.type === "reasoning-delta") {
        const type = event.type === "text-delta" ? "text" : "reasoning";
        if (open?.type !== type) {
          if (open !== undefined) yield { type: `${open.type}-end`, id: open.id };
          open = { type, id: String(blocks++) };
          yield { type: `${type}-start`, id: open.id };
        }
        yield { type: `${type}-delta`, id: open.id, delta: event.text };
      } else if (event.type === "tool-call-start") {
        if (open !== undefined) yield { type: `${open.type}-end`, id: open.id };
        open = undefined;
        inputs.add(event.id);
        yield { type: "tool-input-start", id: event.id, toolName: event.name };
      } else if (event.type === "tool-call-delta") {
        yield { type: "tool-input-delta", id: event.id, delta: event.delta };
      } else if (event.type === "tool-call" && inputs.delete(event.id)) {
        yield { type: "tool-input-end", id: event.id };
      }
    }
    finished = true;
    const answer = await result();
    yield* lastParts(answer, open, String(blocks));
  } finally {
    // Whoever stops reading ends the request at the provider.
    if (!finished) await events.return?.();
  }
}

/** What can be said only of the whole answer. */
function* lastParts(
  answer: ChatResult,
  open: { type: "text" | "reasoning"; id: string } | undefined,
  nextId: string,
): Generator<LanguageModelV4StreamPart, void> {
  yield { type: "response-metadata", ...responseOf(answer) };
  const layout = layoutOf(answer.content);
  const providerMetadata = layout === undefined ? undefined : { byok: layout };
  const withLayout = providerMetadata === undefined ? {} : { providerMetadata };
  const calls = answer.content.filter((part) => part.type === "tool-call");
  if (open !== undefined) yield { type: `${open.type}-end`, id: open.id, ...withLayout };
  for (const part of answer.content) {
    if (part.type === "image" || part.type === "file" || part.type === "audio") {
      const file = fileOf(part.type === "image" ? part.image : part.data, part);
      if (file.type === "file") yield file;
    }
  }
  for (const call of calls) {
    const { providerMetadata: own, ...rest } = { providerMetadata: undefined, ...callOf(call) };
    const byok = { ...own?.byok, ...layout };
    yield { ...rest, ...(Object.keys(byok).length > 0 && { providerMetadata: { byok } }) };
  }
  if (providerMetadata !== undefined && open === undefined && calls.length === 0) {
    yield { type: "reasoning-start", id: nextId };
    yield { type: "reasoning-end", id: nextId, providerMetadata };
  }
  if (Array.isArray(answer.raw)) {
    for (const rawValue of answer.raw) yield { type: "raw", rawValue };
  }
  const { byok } = metadata(answer);
  const said = answer.warnings.map((warning) => ({ ...warning }));
  yield {
    type: "finish",
    finishReason: finishOf(answer),
    usage: usageOf(answer.usage),
    providerMetadata: { byok: { ...byok, ...(said.length > 0 && { warnings: said }) } },
  };
}
