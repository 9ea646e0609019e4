// An image model of the AI SDK over `user.generateImage`.

import type { ImageModelV4, ImageModelV4File } from "@ai-sdk/provider";
import { invalidArgument } from "../../errors.js";
import type { ImageRequest, MediaSource } from "../../types.js";
import type { User } from "../../user.js";
import type { ModelRoute } from "../ai.js";
import { asWarning, identity, metadata, requestOptions, responseOf } from "./common.js";

export function imageModel(user: User, route: ModelRoute): ImageModelV4 {
  return {
    ...identity(route),
    // More than a provider makes at once is asked for in several requests, natively.
    maxImagesPerCall: 16,
    supportsFileInputs: true,
    supportsMaskInputs: true,
    async doGenerate(call) {
      const { prompt, n, size, aspectRatio, seed, files, mask } = call;
      if (prompt === undefined) throw invalidArgument("generateImage() needs a prompt.");
      const request: ImageRequest = {
        ...requestOptions(route, call),
        prompt,
        n,
        size,
        aspectRatio,
        seed,
        ...(files !== undefined && files.length > 0 && { images: files.map(sourceOf) }),
        ...(mask !== undefined && { mask: sourceOf(mask) }),
      };
      const result = await user.generateImage(request);
      const { inputTokens, outputTokens, totalTokens } = result.usage;
      const { byok } = metadata(result);
      const images = result.images.map(({ contentType, revisedPrompt }) => ({
        contentType,
        ...(revisedPrompt !== undefined && { revisedPrompt }),
      }));
      return {
        images: result.images.map((image) => image.data),
        warnings: result.warnings.map(asWarning),
        usage: { inputTokens, outputTokens, totalTokens },
        providerMetadata: { byok: { ...byok, images } },
        response: { ...responseOf(result), headers: undefined },
      };
    },
  };
}

function sourceOf(file: ImageModelV4File): MediaSource {
  if (file.type === "url") return file.url;
  if (typeof file.data !== "string") return file.data;
  return `data:${file.mediaType};base64,${file.data}`;
}
