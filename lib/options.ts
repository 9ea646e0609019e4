// Checks of what callers pass: unknown names are errors that suggest the right one, and each value's
// kind is checked where it enters, so that a mistake is named by the option and not met later.

import { DefinedProvider } from "./defined-provider.js";
import { invalidArgument } from "./errors.js";
import { nearest } from "./suggest.js";

/** Says what a value must be, or nothing when it is that. */
export type Check = (value: unknown, path: string) => string | undefined;

/** The options of one call: each name and what its value must be. */
export type OptionTable = Readonly<Record<string, Check>>;

/**
 * @param where - how the message calls the object: `new BYOK()`, `registerKey()`
 * @throws INVALID_ARGUMENT naming the first option that is unknown or of the wrong kind
 */
export function checkOptions(options: unknown, table: OptionTable, where: string): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw invalidArgument(`${where} takes an object of options.`);
  }
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(table, name) ? table[name] : undefined;
    if (check === undefined) throw unknownOption(name, Object.keys(table), where);
    const complaint = value === undefined ? undefined : check(value, name);
    if (complaint !== undefined) throw invalidArgument(`${where}: ${complaint}`);
  }
}

export function unknownOption(name: string, known: Iterable<string>, where: string) {
  const names = [...known];
  const suggestion = nearest(name, names);
  const advice =
    suggestion === undefined ? `It knows ${names.join(", ")}.` : `Did you mean ${suggestion}?`;
  return invalidArgument(`${where} has no option ${name}. ${advice}`);
}

export const must = (ok: boolean, path: string, wanted: string) =>
  ok ? undefined : `${path} must be ${wanted}.`;
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const any: Check = () => undefined;
export const text: Check = (value, path) =>
  must(typeof value === "string" && value !== "", path, "a non-empty string");
/** A whole number that JavaScript holds exactly. */
export const whole =
  (least: number): Check =>
  (value, path) =>
    must(
      Number.isSafeInteger(value) && (value as number) >= least,
      path,
      `a whole number of at least ${least}`,
    );
export const flag: Check = (value, path) => must(typeof value === "boolean", path, "true or false");
export const object: Check = (value, path) => must(isObject(value), path, "an object");
const milliseconds: Check = (value, path) =>
  must(
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 2 ** 31 - 1,
    path,
    "a whole number of milliseconds from 1 to 2147483647",
  );
const count: Check = (value, path) =>
  must(
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 100,
    path,
    "a whole number from 0 to 100",
  );
export const texts: Check = (value, path) =>
  must(
    Array.isArray(value) && value.every((item) => typeof item === "string"),
    path,
    "an array of strings",
  );
const textMap: Check = (value, path) =>
  must(
    isObject(value) &&
      Object.values(value).every((item) => item === undefined || typeof item === "string"),
    path,
    "an object whose values are strings",
  );
/** Any object that works like one: polyfills count. */
export function isSignal(value: unknown): value is AbortSignal {
  return (
    isObject(value) &&
    typeof value["aborted"] === "boolean" &&
    typeof value["addEventListener"] === "function"
  );
}
export const signal: Check = (value, path) =>
  must(isSignal(value), path, "an AbortSignal (controller.signal, or AbortSignal.timeout(...))");
const apiKey: Check = (value, path) =>
  must(
    typeof value === "string" || value instanceof Uint8Array || textMap(value, path) === undefined,
    path,
    "a string, a Uint8Array, or an object whose values are strings",
  );
const validate: Check = (value, path) =>
  must(
    value === "live" || value === "format" || value === false,
    path,
    '"live", "format" or false',
  );

/** A text that names a user, provider, label or namespace. Native code compares bytes, so a text that
 * has no UTF-8 form is refused; it also checks lengths and characters. */
export const identifier: Check = (value, path) => {
  if (typeof value !== "string") {
    const hint =
      typeof value === "number"
        ? ' (1 is not "1": convert it yourself, the same way everywhere)'
        : "";
    return `${path} must be a string${hint}.`;
  }
  if (value === "") return `${path} must not be empty.`;
  return must(value.isWellFormed(), path, "well-formed Unicode, without lone surrogates");
};

const CAPABILITY_IDS = ["chat", "embeddings", "textToSpeech", "speechToText", "imageGeneration"];
const models: Check = (value, path) => {
  if (!isObject(value)) return `${path} must be an object from capabilities to names of models.`;
  const stranger = Object.keys(value).find((name) => !CAPABILITY_IDS.includes(name));
  if (stranger !== undefined)
    return `${path}.${stranger}: there is no such capability. They are ${CAPABILITY_IDS.join(", ")}.`;
  return textMap(value, path);
};

/** `type` makes a custom provider of it. */
const PROVIDER: OptionTable = {
  type: (value, path) =>
    must(
      value === "openai-compatible" || value instanceof DefinedProvider,
      path,
      '"openai-compatible" or what defineProvider() returned',
    ),
  baseURL: text,
  timeoutMs: milliseconds,
  idleTimeoutMs: milliseconds,
  connectTimeoutMs: milliseconds,
  maxRetries: count,
  defaultModels: models,
  headers: textMap,
  allowPrivateNetwork: flag,
  allowUserBaseURL: flag,
};

/** Checks the `providers` option, one provider at a time. */
function providers(value: unknown, path: string): string | undefined {
  if (!isObject(value))
    return `${path} must be an object from names of providers to their options.`;
  for (const [name, options] of Object.entries(value)) {
    if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) {
      return `${path}: ${JSON.stringify(name)} can't be a provider's name. Use lower-case letters, digits, dots, hyphens and underscores.`;
    }
    if (options instanceof DefinedProvider) continue;
    checkOptions(options, PROVIDER, `${path}.${name}`);
    const { type, baseURL } = options as Record<string, unknown>;
    if (type === "openai-compatible" && baseURL === undefined)
      return `${path}.${name} needs a baseURL.`;
  }
  return undefined;
}

const bytes: Check = (value, path) =>
  must(Number.isSafeInteger(value) && (value as number) >= 1, path, "a whole number of bytes");
const HTTP: OptionTable = {
  poolIdleTimeoutMs: milliseconds,
  maxResponseBytes: bytes,
  maxEventBytes: bytes,
  proxy: text,
  extraRootCertificates: text,
};
const http: Check = (value, path) => {
  checkOptions(value, HTTP, path);
  return undefined;
};

const CACHE: OptionTable = {
  ttlMs: milliseconds,
  maxEntries: (value, path) =>
    must(
      Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 10_000_000,
      path,
      "a whole number from 1 to 10000000",
    ),
};
const cache: Check = (value, path) => {
  checkOptions(value, CACHE, path);
  return undefined;
};

/** `masterKey`, `masterKeys` and `store` are checked by those who use them. */
export const BYOK_OPTIONS: OptionTable = {
  masterKey: any,
  masterKeys: any,
  store: any,
  namespace: identifier,
  providers,
  prefer: texts,
  http,
  callbackTimeoutMs: milliseconds,
  limits: object,
  usage: (value, path) => (value === false ? undefined : object(value, path)),
  health: object,
  hooks: object,
  telemetry: (value, path) =>
    must(
      isObject(value) && typeof value["start"] === "function",
      path,
      "what openTelemetry() of byok-ai/telemetry returns",
    ),
  cache,
};

export const MASTER_KEYS: OptionTable = { current: any, previous: any };

export const CAPABILITIES: OptionTable = { signal };

const USER: OptionTable = { userId: identifier, signal };
const KEY: OptionTable = { ...USER, provider: identifier, label: identifier };

export const LIMITS: OptionTable = { ...KEY, model: text, capability: text };
export const FETCH: OptionTable = { label: identifier };
export const FORWARD: OptionTable = {
  provider: identifier,
  label: identifier,
  path: (value, path) =>
    must(typeof value === "string" && value.startsWith("/"), path, "a path that starts with /"),
  body: any,
  signal,
};

export const LIST_KEYS = USER;
export const DELETE_USER = USER;
export const HAS_KEY = KEY;
export const DELETE_KEY = KEY;
export const VERIFY_KEY: OptionTable = { ...KEY, timeoutMs: milliseconds };
export const REGISTER_KEY: OptionTable = {
  ...KEY,
  apiKey,
  baseURL: text,
  validate,
  metadata: object,
  timeoutMs: milliseconds,
};

export const USER_DEFAULTS: OptionTable = {
  provider: identifier,
  label: identifier,
  model: text,
  timeoutMs: milliseconds,
  idleTimeoutMs: milliseconds,
  maxRetries: count,
  headers: textMap,
  providerOptions: object,
  includeRaw: flag,
  fallback: (value, path) =>
    must(
      typeof value === "boolean" || texts(value, path) === undefined,
      path,
      "true, false or an array of providers' names",
    ),
};

const list: Check = (value, path) => must(Array.isArray(value), path, "an array");
const number: Check = (value, path) => must(Number.isFinite(value), path, "a number");
export const string: Check = (value, path) => must(typeof value === "string", path, "a string");

/** Inner shapes (messages, tools) are parsed by native code, which names what is wrong by its path. */
export const CHAT: OptionTable = {
  ...USER_DEFAULTS,
  signal,
  prompt: string,
  messages: list,
  system: string,
  maxTokens: (value, path) => wholeNumber(value, path),
  temperature: number,
  topP: number,
  stop: (value, path) => (typeof value === "string" ? undefined : texts(value, path)),
  seed: (value, path) => must(Number.isSafeInteger(value), path, "a whole number"),
  tools: list,
  toolChoice: (value, path) =>
    must(
      value === "auto" ||
        value === "none" ||
        value === "required" ||
        (isObject(value) && typeof value["name"] === "string"),
      path,
      '"auto", "none", "required" or { name: ... }',
    ),
  parallelToolCalls: flag,
  output: object,
  reasoning: object,
};

export const callback: Check = (value, path) =>
  must(typeof value === "function", path, "a function");
const wholeNumber: Check = (value, path) =>
  must(Number.isInteger(value) && (value as number) >= 1, path, "a whole number of at least 1");
const REQUEST: OptionTable = { ...USER_DEFAULTS, signal };

export const EMBED: OptionTable = {
  ...REQUEST,
  input: (value, path) =>
    must(
      typeof value === "string" || texts(value, path) === undefined,
      path,
      "a string or an array of strings",
    ),
  dimensions: wholeNumber,
  inputType: text,
  onProgress: callback,
};

export const SPEECH: OptionTable = {
  ...REQUEST,
  text: string,
  voice: text,
  format: text,
  speed: number,
  instructions: string,
  language: text,
};

export const TRANSCRIPTION: OptionTable = {
  ...REQUEST,
  audio: any,
  filename: text,
  mediaType: text,
  language: text,
  prompt: string,
  timestamps: (value, path) =>
    must(
      value === "none" || value === "segment" || value === "word",
      path,
      '"none", "segment" or "word"',
    ),
  diarize: flag,
  temperature: number,
  onProgress: callback,
};

export const IMAGE: OptionTable = {
  ...REQUEST,
  prompt: string,
  n: wholeNumber,
  size: text,
  aspectRatio: text,
  quality: text,
  background: text,
  format: text,
  seed: (value, path) => must(Number.isSafeInteger(value), path, "a whole number"),
  images: list,
  mask: any,
};

/** A check of a definition's part by its own table. */
const nested =
  (table: OptionTable): Check =>
  (value, path) => {
    checkOptions(value, table, `defineProvider(): ${path}`);
    return undefined;
  };
const FUNCTIONS: OptionTable = { request: callback, response: callback };
const streamEnd: Check = (value, path) =>
  must(
    value === "finish" ||
      (isObject(value) &&
        (typeof value["data"] === "string" || typeof value["event"] === "string")),
    path,
    '"finish", { data: ... } or { event: ... }',
  );
const batchLimit: Check = (value, path) =>
  isObject(value)
    ? nested({ inputs: wholeNumber, bytes: wholeNumber })(value, path)
    : wholeNumber(value, path);
const fields: Check = (value, path) => {
  const check = nested({ what: string, required: flag, header: text, query: text });
  for (const [name, field] of Object.entries((value ?? {}) as object)) {
    check(field, `${path}.${name}`);
  }
  return object(value, path);
};

export const PROVIDER_DEFINITION: OptionTable = {
  name: text,
  baseURL: text,
  credential: nested({ header: text, prefix: string }),
  headers: textMap,
  verify: nested({ path: text, body: any, otherwise: text }),
  requestIdHeader: text,
  keyPrefixes: texts,
  keyIsOptional: flag,
  defaultModels: models,
  fields,
  errors: nested({ statuses: textMap, words: textMap, read: callback }),
  chat: nested({ ...FUNCTIONS, event: callback, streamEnd }),
  embed: nested({ ...FUNCTIONS, batchLimit }),
  textToSpeech: nested({ ...FUNCTIONS, contentType: text }),
  speechToText: nested(FUNCTIONS),
  generateImage: nested({ ...FUNCTIONS, mostAtOnce: wholeNumber }),
};

/** Options that every one of these calls needs. */
export function required(options: object, names: readonly string[], where: string): void {
  for (const name of names) {
    if ((options as Record<string, unknown>)[name] === undefined) {
      throw invalidArgument(`${where} needs ${name}.`);
    }
  }
}
