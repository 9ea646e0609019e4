// A speech model of the AI SDK over `user.textToSpeech`.

import type { JSONObject, SpeechModelV4 } from "@ai-sdk/provider";
import type { User } from "../../user.js";
import type { ModelRoute } from "../ai.js";
import { asWarning, identity, metadata, requestOptions, responseOf } from "./common.js";

export function speechModel(user: User, route: ModelRoute): SpeechModelV4 {
  return {
    ...identity(route),
    async doGenerate(call) {
      const { text, voice, outputFormat, instructions, speed, language } = call;
      const result = await user.textToSpeech({
        ...requestOptions(route, call),
        text,
        voice,
        format: outputFormat,
        instructions,
        speed,
        ...(language !== "auto" && { language }),
      });
      return {
        audio: result.audio,
        warnings: result.warnings.map(asWarning),
        usage: { ...result.usage } as JSONObject,
        providerMetadata: metadata(result),
        response: responseOf(result),
      };
    },
  };
}
