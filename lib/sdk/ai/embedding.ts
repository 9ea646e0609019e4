// An embedding model of the AI SDK over `user.embed`.

import type { EmbeddingModelV4 } from "@ai-sdk/provider";
import type { User } from "../../user.js";
import type { ModelRoute } from "../ai.js";
import { asWarning, identity, metadata, requestOptions } from "./common.js";

export function embeddingModel(user: User, route: ModelRoute): EmbeddingModelV4 {
  return {
    ...identity(route),
    // Batches are made natively, to the provider's own limits and several at a time.
    maxEmbeddingsPerCall: undefined,
    supportsParallelCalls: true,
    async doEmbed(call) {
      const { values, dimensions } = call;
      const request = { ...requestOptions(route, call), input: values, dimensions };
      const result = await user.embed(request);
      const { inputTokens } = result.usage;
      return {
        embeddings: result.embeddings.map((vector) => Array.from(vector)),
        ...(inputTokens !== undefined && { usage: { tokens: inputTokens } }),
        warnings: result.warnings.map(asWarning),
        providerMetadata: metadata(result),
      };
    },
  };
}
