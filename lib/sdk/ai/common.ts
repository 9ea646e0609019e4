// What all models of the AI SDK say and take in the same way: names, headers, the provider's own
// options, warnings and metadata.

import type {
  SharedV4ProviderMetadata,
  SharedV4ProviderOptions,
  SharedV4Warning,
} from "@ai-sdk/provider";
import type { JsonObject, RequestOptions, ResultMeta, Warning } from "../../types.js";
import type { ModelRoute } from "../ai.js";

/** What a model says of itself. */
export function identity({ provider, model }: ModelRoute) {
  return {
    specificationVersion: "v4" as const,
    provider: provider === undefined ? "byok" : `byok.${provider}`,
    modelId: model ?? "default",
  };
}

interface CallOptions {
  headers?: Record<string, string | undefined> | undefined;
  providerOptions?: SharedV4ProviderOptions | undefined;
  abortSignal?: AbortSignal | undefined;
}

/** What every request takes from a call. */
export function requestOptions(route: ModelRoute, call: CallOptions): RequestOptions {
  const headers = Object.entries(call.headers ?? {}).filter(([, value]) => value !== undefined);
  const own = call.providerOptions?.["byok"];
  return {
    ...route,
    ...(headers.length > 0 && { headers: Object.fromEntries(headers) as Record<string, string> }),
    ...(own !== undefined && { providerOptions: own as JsonObject }),
    ...(call.abortSignal !== undefined && { signal: call.abortSignal }),
  };
}

export function unsupported(feature: string, details?: string): SharedV4Warning {
  return { type: "unsupported", feature, ...(details !== undefined && { details }) };
}

export function asWarning({ option, message }: Warning): SharedV4Warning {
  return { type: "other", message: `${option}: ${message}` };
}

/** Who served the call. */
export function metadata(result: ResultMeta): SharedV4ProviderMetadata {
  const { provider, label, requestId, failedAttempts } = result;
  const byok = { provider, label, requestId, failedAttempts };
  return { byok: JSON.parse(JSON.stringify(byok)) };
}

/** A model's own answer, for telemetry. */
export function responseOf({ id, model }: { id?: string; model: string }) {
  return { timestamp: new Date(), modelId: model, ...(id !== undefined && { id }) };
}
