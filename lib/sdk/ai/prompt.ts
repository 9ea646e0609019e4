// The AI SDK's prompt as messages here. What has no counterpart is a warning, never silence.

import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultOutput,
  SharedV4FileData,
  SharedV4ProviderOptions,
  SharedV4Warning,
} from "@ai-sdk/provider";
import type {
  AssistantPart,
  JsonValue,
  MediaSource,
  Message,
  Signature,
  ToolResultPart,
  UserPart,
} from "../../types.js";
import { unsupported } from "./common.js";
import { laidOut } from "./layout.js";

type AssistantContent = Extract<LanguageModelV4Message, { role: "assistant" }>["content"];
type ToolContent = Extract<LanguageModelV4Message, { role: "tool" }>["content"];

export function messagesOf(prompt: LanguageModelV4Prompt, warnings: SharedV4Warning[]): Message[] {
  const messages = prompt.map((message) => messageOf(message, warnings));
  // A tool message may have held nothing but approvals, which are no results.
  return messages.filter((message) => message.role !== "tool" || message.content.length > 0);
}

function messageOf(message: LanguageModelV4Message, warnings: SharedV4Warning[]): Message {
  switch (message.role) {
    case "system":
      return { role: "system", content: message.content };
    case "user": {
      const content = message.content.flatMap((part): UserPart[] =>
        part.type === "text" ? [{ type: "text", text: part.text }] : filePart(part, warnings),
      );
      return { role: "user", content };
    }
    case "assistant":
      return { role: "assistant", content: assistantParts(message.content, warnings) };
    case "tool":
      return { role: "tool", content: toolResults(message.content, warnings) };
  }
}

function filePart(
  { data, mediaType, filename }: Omit<LanguageModelV4FilePart, "type">,
  warnings: SharedV4Warning[],
): UserPart[] {
  const source = sourceOf(data, warnings);
  if (source === undefined) return [];
  // `image/*` says no more than what the bytes do.
  const type = /^[^/]+\/[^*]+$/.test(mediaType) ? { mediaType } : {};
  if (mediaType.startsWith("image")) return [{ type: "image", image: source, ...type }];
  if (mediaType.startsWith("audio")) return [{ type: "audio", data: source, ...type }];
  return [{ type: "file", data: source, ...type, ...(filename !== undefined && { filename }) }];
}

function sourceOf(data: SharedV4FileData, warnings: SharedV4Warning[]): MediaSource | undefined {
  switch (data.type) {
    case "data":
      return data.data;
    case "url":
      return data.url;
    case "text":
      return new TextEncoder().encode(data.text);
    default:
      warnings.push(
        unsupported(
          "file references",
          "A file that a provider holds can't be named; send its bytes.",
        ),
      );
      return undefined;
  }
}

function assistantParts(content: AssistantContent, warnings: SharedV4Warning[]): AssistantPart[] {
  const parts: AssistantPart[] = [];
  let layout: unknown;
  for (const part of content) {
    const own = part.providerOptions?.["byok"];
    layout = own?.["layout"] ?? layout;
    const signed = signatureOf(part.providerOptions);
    if (part.type === "text") parts.push({ type: "text", text: part.text, ...signed });
    else if (part.type === "reasoning")
      parts.push({ type: "reasoning", text: part.text, ...signed });
    else if (part.type === "file") parts.push(...(filePart(part, warnings) as AssistantPart[]));
    else if (part.type === "tool-call" && !part.providerExecuted)
      parts.push({
        type: "tool-call",
        id: part.toolCallId,
        name: part.toolName,
        arguments: part.input as JsonValue,
        ...signed,
      });
    else warnings.push(unsupported(`${part.type} in an assistant message`));
  }
  return laidOut(parts, layout) ?? parts;
}

function signatureOf(options: SharedV4ProviderOptions | undefined): { signature?: Signature } {
  const signature = options?.["byok"]?.["signature"];
  return signature === undefined ? {} : { signature: signature as unknown as Signature };
}

function toolResults(content: ToolContent, warnings: SharedV4Warning[]): ToolResultPart[] {
  return content.flatMap((part): ToolResultPart[] => {
    // Approvals are between the app and the AI SDK; the provider has nothing to do with them.
    if (part.type === "tool-approval-response") return [];
    const { toolCallId: id, toolName: name, output } = part;
    return [{ type: "tool-result", id, name, ...resultOf(output, warnings) }];
  });
}

function resultOf(
  output: LanguageModelV4ToolResultOutput,
  warnings: SharedV4Warning[],
): Pick<ToolResultPart, "result" | "isError"> {
  switch (output.type) {
    case "text":
    case "json":
      return { result: output.value as JsonValue };
    case "error-text":
    case "error-json":
      return { result: output.value as JsonValue, isError: true };
    case "execution-denied":
      return { result: output.reason ?? "The tool was not allowed to run.", isError: true };
    case "content": {
      const texts = output.value.flatMap((item) => {
        if (item.type === "text") return [item.text];
        warnings.push(unsupported(`${item.type} in a tool result`));
        return [];
      });
      return { result: texts.join("\n") };
    }
  }
}
