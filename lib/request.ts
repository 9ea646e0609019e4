// Turns a request into JSON text for native code, with bytes beside it. It runs on every call, so it
// copies nothing but the top level, and looks into messages only for the parts that can hold bytes.

import type { Payload } from "./engine.js";
import { invalidArgument } from "./errors.js";
import { CHAT, IMAGE, type OptionTable, unknownOption } from "./options.js";
import type { ChatRequest, ImageRequest, RequestDefaults, RequestOptions } from "./types.js";

/** A promise only when there is a Blob to read.
 * @throws INVALID_ARGUMENT for unknown or malformed options and for what JSON can't hold */
export function encodeChat(
  userId: string,
  defaults: RequestDefaults | undefined,
  request: ChatRequest,
  where: string,
): Payload | Promise<Payload> {
  const body = encodeOptions(userId, defaults, request, CHAT, where, 'prompt: "Hello"');
  if (request.messages === undefined) return { json: encodeJson(body, where), bytes: null };
  const found: Bytes[] = [];
  body["messages"] = liftBytes(request.messages, found);
  return withBytes(encodeJson(body, where), found);
}

/** The images and the mask beside the rest. */
export function encodeImage(
  userId: string,
  defaults: RequestDefaults | undefined,
  request: ImageRequest,
  where: string,
): Payload | Promise<Payload> {
  const body = encodeOptions(userId, defaults, request, IMAGE, where, 'prompt: "A cat"');
  const found: Bytes[] = [];
  const lift = (source: unknown) => {
    const bytes = asBytes(source);
    if (bytes === undefined) return source;
    found.push(bytes);
    return { $bytes: found.length - 1 };
  };
  if (request.images !== undefined) body["images"] = request.images.map(lift);
  if (request.mask !== undefined) body["mask"] = lift(request.mask);
  return withBytes(encodeJson(body, where), found);
}

/**
 * Checks a request's options and merges the defaults under them; what is not for JSON is left out.
 *
 * @param example - a minimal request, for the message of what is none
 * @throws INVALID_ARGUMENT for unknown or malformed options
 */
export function encodeOptions(
  userId: string,
  defaults: RequestDefaults | undefined,
  request: RequestOptions,
  table: OptionTable,
  where: string,
  example: string,
): Record<string, unknown> {
  if (typeof request !== "object" || request === null) {
    throw invalidArgument(`${where} takes an object such as { ${example} }.`);
  }
  const body: Record<string, unknown> = { ...inherited(defaults, request), userId };
  const given = request as unknown as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    const check = Object.hasOwn(table, name) ? table[name] : undefined;
    if (check === undefined) throw unknownOption(name, Object.keys(table), where);
    const value = given[name];
    if (value === undefined) continue;
    const complaint = check(value, name);
    if (complaint !== undefined) throw invalidArgument(`${where}: ${complaint}`);
    if (name !== "signal" && name !== "onProgress") body[name] = value;
  }
  if (defaults?.headers && request.headers)
    body["headers"] = { ...defaults.headers, ...request.headers };
  return body;
}

function withBytes(json: string, found: Bytes[]): Payload | Promise<Payload> {
  if (found.length === 0) return { json, bytes: null };
  if (found.every((item) => item instanceof Uint8Array)) return { json, bytes: found };
  return readBlobs(found).then((bytes) => ({ json, bytes }));
}

/** Defaults that still apply. A model, label or the provider's own options belong to the default
 * provider and are dropped with it. */
function inherited(
  defaults: RequestDefaults | undefined,
  request: RequestOptions,
): RequestDefaults | undefined {
  const changed = request.provider !== undefined && request.provider !== defaults?.provider;
  if (!changed || defaults?.provider === undefined) return defaults;
  const { model: _model, label: _label, providerOptions: _options, ...rest } = defaults;
  return rest;
}

/** JSON text that native code can read: it takes UTF-8 only, so lone surrogates (half an emoji, cut by
 * someone's `slice`) become U+FFFD. `JSON.stringify` writes exactly those as `\udXXX`. */
export function encodeJson(value: object, where: string): string {
  let json: string;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw invalidArgument(
      `${where}: the options can't be written as JSON. The cause says why.`,
      cause,
    );
  }
  if (!json.includes("\\ud")) return json;
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "string" ? item.toWellFormed() : item,
  );
}

type Bytes = Uint8Array | Blob;

/** The same messages, with parts that hold bytes replaced by copies that name them. */
function liftBytes(messages: readonly unknown[], found: Bytes[]): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index] as { content?: unknown } | null | undefined;
    if (!Array.isArray(message?.content)) continue;
    const content = liftParts(message.content, found);
    if (content === message.content) continue;
    copy ??= [...messages];
    copy[index] = { ...message, content };
  }
  return copy ?? messages;
}

function liftParts(parts: unknown[], found: Bytes[]): unknown[] {
  let copy: unknown[] | undefined;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index] as { image?: unknown; data?: unknown } | null | undefined;
    if (typeof part !== "object" || part === null) continue;
    for (const field of ["image", "data"] as const) {
      const bytes = asBytes(part[field]);
      if (bytes === undefined) continue;
      copy ??= [...parts];
      copy[index] = { ...part, [field]: { $bytes: found.length }, ...typeOf(part, bytes) };
      found.push(bytes);
    }
  }
  return copy ?? parts;
}

export function asBytes(value: unknown): Bytes | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof Uint8Array || value instanceof Blob) return value;
  if (ArrayBuffer.isView(value))
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)
    return new Uint8Array(value);
  return undefined;
}

/** A Blob knows its own media type. */
function typeOf(part: object, bytes: Bytes): { mediaType?: string } {
  if (!(bytes instanceof Blob) || bytes.type === "" || "mediaType" in part) return {};
  return { mediaType: bytes.type.split(";")[0] ?? bytes.type };
}

function readBlobs(found: Bytes[]): Promise<Uint8Array[]> {
  return Promise.all(
    found.map(async (item) =>
      item instanceof Blob ? new Uint8Array(await item.arrayBuffer()) : item,
    ),
  );
}
