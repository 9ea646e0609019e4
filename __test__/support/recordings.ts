// Recorded traffic of real providers, read from ../shared/recordings beside the repository: every file
// format there becomes a list of recordings, as in crates/byok-core/tests/support/recordings.rs.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gunzipSync } from "node:zlib";
import { parse } from "yaml";

// biome-ignore lint/suspicious/noExplicitAny: the JSON of a dozen providers, whose shapes are what is tested
export type Json = any;

/** Which chat protocol an answer is of. `other`: not a chat, or a protocol that is not read here. */
export type Api = "chat-completions" | "responses" | "messages" | "generate-content" | "other";

export interface Recording {
  /** The file, relative to the folder, with `#n` for the n-th interaction or stream of a file. */
  path: string;
  /** `openai`, `anthropic`, `gemini`, `groq`, ...: EXPECTED.json's word, or the folder's. */
  provider: string;
  api: Api;
  kind: "json" | "sse" | "other";
  status: number;
  body: Buffer;
  /** The `expect` object of EXPECTED.json, where it has this interaction. */
  expected?: Json;
}

const FOLDER = join(__dirname, "../../../shared/recordings");

/** All recorded chats of the protocols that are read here; undefined where the folder is absent. */
export function loadChats(): Recording[] | undefined {
  return loadAll()?.filter(isChat).flatMap(streamsOf);
}

/** Every recorded answer, whatever it is of; undefined where the folder is absent. */
export function loadAll(): Recording[] | undefined {
  if (!existsSync(FOLDER)) return undefined;
  const expected: Json = JSON.parse(readFileSync(join(FOLDER, "EXPECTED.json"), "utf8"));
  const files = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(FOLDER, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .sort();
  const all: Recording[] = [];
  for (const path of files) {
    const top = path.split("/")[0] ?? "";
    if (top === path || top === "LICENSES") continue;
    const bytes = readFileSync(join(FOLDER, path));
    let found: Recording[];
    if (top === "exchanges") found = [exchange(path, bytes)];
    else if (top.startsWith("http-")) found = cassette(path, bytes);
    else found = [bareBody(path, bytes)];
    for (const [index, recording] of found.entries()) {
      const entry = expected[path]?.interactions?.[index];
      if (entry?.provider) recording.provider = entry.provider;
      if (entry) recording.expected = entry.expect;
    }
    all.push(...found);
  }
  return all;
}

/** The events of a stream of JSON, without the end mark; an event that is not JSON is left out. */
export function eventsOf(body: Buffer): Json[] {
  return body
    .toString()
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .flatMap((line) => tryParse(line.slice("data:".length)) ?? []);
}

function isChat({ api, kind, provider }: Recording): boolean {
  if (api === "other" || kind === "other") return false;
  return api !== "messages" || provider.includes("anthropic");
}

/** Some files are the streams of a whole conversation, one after the other, and some Gemini answers
 * are the array that its streams are without `alt=sse`, whose items become events. */
function streamsOf(recording: Recording): Recording[] {
  if (recording.api === "generate-content" && recording.kind === "json") {
    const answer = tryParse(recording.body.toString());
    if (!Array.isArray(answer)) return [recording];
    const text = answer.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
    return [{ ...recording, kind: "sse", body: Buffer.from(text) }];
  }
  const isNamed = recording.api === "messages" || recording.api === "responses";
  if (!isNamed || recording.kind !== "sse") return [recording];
  const texts = recording.body
    .toString()
    .split(/(?=event: (?:message_start|response\.created)\r?\n)/);
  const streams = texts.filter((text) => text.trim() !== "");
  if (streams.length === 1) return [recording];
  const { expected: _, ...rest } = recording;
  return streams.map((text, index) => ({
    ...rest,
    path: `${recording.path}#${index}`,
    body: Buffer.from(text),
  }));
}

/** `exchanges/<provider>/<name>-<n>.json`: request and response in one file. */
function exchange(path: string, bytes: Buffer): Recording {
  const { request, response } = JSON.parse(bytes.toString());
  let body: Buffer;
  if (response.kind === "json") body = Buffer.from(JSON.stringify(response.body));
  else if (typeof response.body === "string") body = Buffer.from(response.body);
  else body = Buffer.from(response.body.base64, "base64");
  return recordingOf(path, path.split("/")[1] ?? "", request.path, response.status, body);
}

/** `ai-sdk-fixtures/<package>/...` and `bodies-.../<package>/...`: a body and nothing else. */
function bareBody(path: string, bytes: Buffer): Recording {
  const body = path.endsWith(".chunks.txt") ? framed(bytes.toString()) : bytes;
  const name = path.split("/")[1] ?? "";
  return recordingOf(path, name === "google" ? "gemini" : name, undefined, 200, body);
}

/** Puts back what the recorders took off a stream: `data: `, Anthropic's event names, and the end mark
 * of Chat Completions. */
function framed(payloads: string): Buffer {
  let body = "";
  let isChatCompletions = false;
  for (const payload of payloads.split(/\r?\n/)) {
    if (payload.trim() === "") continue;
    const event = tryParse(payload);
    if (typeof event?.type === "string") body += `event: ${event.type}\n`;
    isChatCompletions ||=
      event?.object === "chat.completion.chunk" || Array.isArray(event?.choices);
    body += `data: ${payload}\n\n`;
  }
  if (isChatCompletions && !body.includes("data: [DONE]")) body += "data: [DONE]\n\n";
  return Buffer.from(body);
}

const fromBase64 = (text: string) => Buffer.from(text, "base64");
const BINARY = [
  { tag: "!binary", resolve: fromBase64 },
  { tag: "tag:yaml.org,2002:binary", resolve: fromBase64 },
];

/** `http-*`: VCR cassettes in YAML, of the Ruby kind (`http_interactions`) or the Python kind. */
function cassette(path: string, bytes: Buffer): Recording[] {
  const file: Json = parse(bytes.toString(), { customTags: BINARY });
  const interactions: Json[] = file.http_interactions ?? file.interactions;
  return interactions.map(({ request, response }, index) => {
    // Not a URL: recorders put `<HOST>` in place of names they keep to themselves.
    const [, host = "", urlPath = ""] = /^(?:.*?:\/\/)?([^/]*)(.*)$/.exec(request.uri) ?? [];
    const status = response.status?.code ?? response.status_code ?? response.http_status ?? 200;
    const body = yamlBytes(response.content ?? response.body);
    return recordingOf(`${path}#${index}`, host, urlPath, status, body);
  });
}

/** The bytes of a text, of binary data, or of either under `string`; unpacked. */
function yamlBytes(value: Json): Buffer {
  if (typeof value === "string") return Buffer.from(value);
  if (!Buffer.isBuffer(value))
    return value?.string === undefined ? Buffer.alloc(0) : yamlBytes(value.string);
  return value[0] === 0x1f && value[1] === 0x8b ? gunzipSync(value) : value;
}

function recordingOf(
  path: string,
  provider: string,
  urlPath: string | undefined,
  status: number,
  body: Buffer,
): Recording {
  const text = body.toString();
  let kind: Recording["kind"] = "other";
  if (/^\s*(data:|event:|:)/.test(text)) kind = "sse";
  else if (/^\s*[{[]/.test(text)) kind = "json";
  const api = urlPath === undefined ? apiOfBody(body, kind) : apiOfPath(urlPath);
  return { path, provider, api, kind, status, body };
}

function apiOfPath(urlPath: string): Api {
  const path = urlPath.split("?")[0] ?? "";
  if (path.endsWith("/chat/completions")) return "chat-completions";
  if (path.endsWith("/responses")) return "responses";
  if (path.endsWith("/messages")) return "messages";
  return path.toLowerCase().endsWith("generatecontent") ? "generate-content" : "other";
}

function apiOfBody(body: Buffer, kind: Recording["kind"]): Api {
  const first = kind === "sse" ? eventsOf(body)[0] : tryParse(body.toString());
  const type = typeof first?.type === "string" ? first.type : "";
  const isCompletion = typeof first?.choices?.[0]?.text === "string";
  if (Array.isArray(first?.choices) && !isCompletion) return "chat-completions";
  if (type.startsWith("response.") || first?.object === "response") return "responses";
  if (type === "message_start" || type === "message") return "messages";
  const isGemini = Array.isArray(first?.candidates) || first?.promptFeedback;
  return isGemini ? "generate-content" : "other";
}

function tryParse(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // e.g. [DONE], and the fixtures that are not JSON on purpose
  }
}
