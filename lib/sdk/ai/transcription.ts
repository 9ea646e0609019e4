// A transcription model of the AI SDK over `user.speechToText`.

import type { JSONObject, TranscriptionModelV4 } from "@ai-sdk/provider";
import type { User } from "../../user.js";
import type { ModelRoute } from "../ai.js";
import { asWarning, identity, metadata, requestOptions, responseOf } from "./common.js";

export function transcriptionModel(user: User, route: ModelRoute): TranscriptionModelV4 {
  return {
    ...identity(route),
    async doGenerate(call) {
      const { audio, mediaType, timestampGranularities: wanted } = call;
      const result = await user.speechToText({
        ...requestOptions(route, call),
        audio: typeof audio === "string" ? Buffer.from(audio, "base64") : audio,
        mediaType,
        ...(wanted?.includes("word") && { timestamps: "word" as const }),
        ...(wanted?.includes("segment") &&
          !wanted.includes("word") && { timestamps: "segment" as const }),
      });
      const words = result.words?.map(timed);
      return {
        text: result.text,
        segments: (result.segments ?? []).map(timed),
        ...(words !== undefined && { words }),
        language: result.language,
        durationInSeconds: result.durationSeconds,
        warnings: result.warnings.map(asWarning),
        usage: { ...result.usage } as JSONObject,
        providerMetadata: metadata(result),
        response: responseOf(result),
      };
    },
  };
}

function timed(item: { text: string; startSeconds: number; endSeconds: number }) {
  return { text: item.text, startSecond: item.startSeconds, endSecond: item.endSeconds };
}
