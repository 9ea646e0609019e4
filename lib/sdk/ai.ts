// `byok-ai/sdk/ai`: one user's models for the AI SDK (`ai` 7). It needs nothing of the AI SDK when it
// runs; `ai` and `@ai-sdk/provider` are optional peers for their types.

import type {
  EmbeddingModelV4,
  ImageModelV4,
  LanguageModelV4,
  ProviderV4,
  SpeechModelV4,
  TranscriptionModelV4,
} from "@ai-sdk/provider";
import { invalidArgument } from "../errors.js";
import { checkOptions, FETCH, identifier } from "../options.js";
import type { User } from "../user.js";
import { embeddingModel } from "./ai/embedding.js";
import { imageModel } from "./ai/image.js";
import { languageModel } from "./ai/language.js";
import { speechModel } from "./ai/speech.js";
import { transcriptionModel } from "./ai/transcription.js";

/** Which of the user's keys a model is asked with; the same for all capabilities. */
export interface ModelRoute {
  provider?: string;
  label?: string;
  model?: string;
}

export interface BYOKProviderOptions {
  /** Whose models these are: a model's id is then the provider's own name of it, colons and all. Default:
   * what `use(userId, { provider })` says, else the key that serves. */
  provider?: string | undefined;
  /** Which of the user's keys at that provider. */
  label?: string | undefined;
}

/**
 * One user's models. A model's id is `provider:model` ("openai:gpt-5.4-mini"), or the model's name alone
 * for the provider that the user's defaults or keys say, or nothing for that provider's default model.
 */
export interface BYOKProvider extends ProviderV4 {
  (modelId?: string): LanguageModelV4;
  languageModel(modelId?: string): LanguageModelV4;
  embeddingModel(modelId?: string): EmbeddingModelV4;
  imageModel(modelId?: string): ImageModelV4;
  speechModel(modelId?: string): SpeechModelV4;
  transcriptionModel(modelId?: string): TranscriptionModelV4;
}

/**
 * The user's keys as a provider of the AI SDK: for `generateText`, `streamText`, `embed`,
 * `generateImage`, `generateSpeech`, `transcribe`, and for a provider registry.
 *
 * Fields of the provider's own request go in `providerOptions: { byok: { ... } }`. Errors are
 * `BYOKError`s, and what is worth a retry is retried natively.
 *
 * @throws BYOKError `INVALID_ARGUMENT` for unknown options
 * @example
 * ```ts
 * const models = byokProvider(byok.use("user_123"));
 * const { text } = await generateText({ model: models("openai:gpt-5.4-mini"), prompt: "Hello" });
 * ```
 */
export function byokProvider(user: User, options: BYOKProviderOptions = {}): BYOKProvider {
  if (typeof user?.chat !== "function") {
    throw invalidArgument("byokProvider() takes what byok.use(userId) returns.");
  }
  checkOptions(options, { ...FETCH, provider: identifier }, "byokProvider()");
  const route = (modelId = ""): ModelRoute => routeOf(modelId, options);
  return Object.assign((modelId?: string) => languageModel(user, route(modelId)), {
    specificationVersion: "v4" as const,
    languageModel: (modelId?: string) => languageModel(user, route(modelId)),
    embeddingModel: (modelId?: string) => embeddingModel(user, route(modelId)),
    imageModel: (modelId?: string) => imageModel(user, route(modelId)),
    speechModel: (modelId?: string) => speechModel(user, route(modelId)),
    transcriptionModel: (modelId?: string) => transcriptionModel(user, route(modelId)),
  });
}

function routeOf(modelId: string, { provider, label }: BYOKProviderOptions): ModelRoute {
  const parts = provider === undefined ? /^([a-z0-9][a-z0-9._-]*):(.*)$/s.exec(modelId) : null;
  const named = parts?.[1] ?? provider;
  const model = parts === null ? modelId : (parts[2] ?? "");
  return {
    ...(named !== undefined && { provider: named }),
    ...(label !== undefined && { label }),
    ...(model !== "" && { model }),
  };
}
