// How an answer was made up: its parts in order with what the provider signed. The AI SDK keeps texts
// and calls but joins and reorders parts, so a layout travels beside them in the metadata, and on the
// next turn the provider gets back exactly what it sent.

import type { JSONObject } from "@ai-sdk/provider";
import type { AssistantPart, Signature } from "../../types.js";

/** One part of an answer: its kind, how much of the message's text it is, and its signature. */
interface Piece {
  type: "text" | "reasoning" | "tool-call";
  length?: number;
  id?: string;
  signature?: Signature;
}

/** The layout of an answer, where a part is signed; nothing where all can be told from the message. */
export function layoutOf(content: readonly AssistantPart[]): JSONObject | undefined {
  const pieces: Piece[] = [];
  for (const part of content) {
    if (part.type === "text" || part.type === "reasoning")
      pieces.push({ type: part.type, length: part.text.length, ...signed(part) });
    else if (part.type === "tool-call")
      pieces.push({ type: part.type, id: part.id, ...signed(part) });
    else return undefined;
  }
  if (pieces.every((piece) => piece.signature === undefined)) return undefined;
  return { layout: pieces as unknown as JSONObject[] };
}

function signed(part: { signature?: Signature | undefined }): { signature?: Signature } {
  return part.signature === undefined ? {} : { signature: part.signature };
}

/** The parts of a message as they were in the answer; nothing when the message was changed since. */
export function laidOut(
  parts: readonly AssistantPart[],
  layout: unknown,
): AssistantPart[] | undefined {
  if (!Array.isArray(layout)) return undefined;
  const left = { text: "", reasoning: "" };
  const calls = new Map<string, AssistantPart>();
  for (const part of parts) {
    if (part.type === "text" || part.type === "reasoning") left[part.type] += part.text;
    else if (part.type === "tool-call") calls.set(part.id, part);
    else return undefined;
  }
  const found: AssistantPart[] = [];
  for (const { type, length = 0, id, signature } of layout as Piece[]) {
    if (type === "tool-call") {
      const call = calls.get(id ?? "");
      if (call === undefined) return undefined;
      calls.delete(id ?? "");
      found.push({ ...call, ...(signature && { signature }) } as AssistantPart);
    } else if (type === "text" || type === "reasoning") {
      if (left[type].length < length) return undefined;
      const text = left[type].slice(0, length);
      left[type] = left[type].slice(length);
      found.push({ type, text, ...(signature && { signature }) });
    } else return undefined;
  }
  return left.text === "" && left.reasoning === "" && calls.size === 0 ? found : undefined;
}
