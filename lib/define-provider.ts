// Checks a provider's definition when it is made, and takes it apart for native code: the declarative
// parts as JSON; the functions stay here and are called by name.

import { DefinedProvider } from "./defined-provider.js";
import { ERROR_CODES, invalidArgument } from "./errors.js";
import { checkOptions, PROVIDER_DEFINITION, required } from "./options.js";
import type {
  ChatFunctions,
  EmbedFunctions,
  ImageFunctions,
  ProviderDefinition,
  SpeechFunctions,
  TranscriptionFunctions,
} from "./types/provider.js";

/**
 * Defines a provider in JavaScript, in the same way as the built-in ones: network, retries, time limits,
 * credentials, server-sent events, routing and fallback stay native, and the functions here only
 * translate. They are synchronous, keep nothing between calls, and never see a key. `providerConformance`
 * of `byok-ai/testing` tries a definition in every way.
 *
 * @throws BYOKError `INVALID_ARGUMENT` naming what is unknown, missing or wrong; what only native code can
 * tell (addresses, headers) is thrown by `new BYOK()`
 * @example
 * ```ts
 * const acme = defineProvider({
 *   name: "Acme AI",
 *   baseURL: "https://api.acme.example/v1",
 *   credential: { header: "x-acme-key" },
 *   verify: { path: "/account" },
 *   defaultModels: { chat: "acme-large" },
 *   chat: {
 *     request: ({ messages, maxTokens }, { model }) => ({
 *       path: "/generate",
 *       body: { model, limit: maxTokens, turns: messages.map(({ role, content }) => ({ role, content })) },
 *     }),
 *     response: (body) => ({
 *       text: body.output,
 *       finishReason: body.cut ? "length" : "stop",
 *       usage: { inputTokens: body.tokens.in, outputTokens: body.tokens.out },
 *     }),
 *   },
 * });
 * const byok = new BYOK({ masterKey, store, providers: { acme } });
 * ```
 */
export function defineProvider(definition: ProviderDefinition): DefinedProvider {
  const where = "defineProvider()";
  checkOptions(definition, PROVIDER_DEFINITION, where);
  required(definition, ["name", "baseURL", "credential", "verify"], where);
  const { chat, embed, textToSpeech, speechToText, generateImage, errors } = definition;
  const capabilities = { chat, embed, textToSpeech, speechToText, generateImage };
  if (Object.values(capabilities).every((functions) => functions === undefined)) {
    throw invalidArgument(`${where} needs one of ${Object.keys(capabilities).join(", ")}.`);
  }
  for (const [name, functions] of Object.entries(capabilities)) {
    if (functions !== undefined) {
      const optional = name === "textToSpeech" ? ["request"] : ["request", "response"];
      required(functions, optional, `${where}: ${name}`);
    }
  }
  for (const codes of [errors?.statuses, errors?.words]) {
    const wrong = Object.values(codes ?? {}).find((code) => !ERROR_CODES.includes(code));
    if (wrong !== undefined) {
      throw invalidArgument(`${where}: errors: ${JSON.stringify(wrong)} is not an error code.`);
    }
  }
  return new DefinedProvider(definition);
}

/** The declarative part, as the core's `Definition` reads it. */
export function declarative(definition: ProviderDefinition): Record<string, unknown> {
  const { fields, errors, chat, embed, textToSpeech, speechToText, generateImage, ...rest } =
    definition;
  return {
    ...rest,
    fields: Object.entries(fields ?? {}).map(([name, field]) => ({ name, ...field })),
    errors: { ...errors, read: errors?.read !== undefined },
    chat: chat && chatPart(chat),
    embed: embed && embedPart(embed),
    textToSpeech: textToSpeech && speechPart(textToSpeech),
    speechToText: speechToText && transcriptionPart(speechToText),
    generateImage: generateImage && imagePart(generateImage),
  };
}

const chatPart = ({ event, streamEnd }: ChatFunctions) => ({
  streams: event !== undefined,
  streamEnd,
});
const embedPart = ({ batchLimit }: EmbedFunctions) =>
  typeof batchLimit === "number" ? { inputs: batchLimit } : batchLimit;
const speechPart = ({ response, contentType }: SpeechFunctions) => ({
  response: response !== undefined,
  contentType,
});
const transcriptionPart = (_: TranscriptionFunctions) => ({});
const imagePart = ({ mostAtOnce }: ImageFunctions) => ({ mostAtOnce: mostAtOnce ?? 1 });
