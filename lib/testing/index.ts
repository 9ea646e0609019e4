// What `byok-ai/testing` exports: conformance suites for what applications write themselves, and no logic.

export {
  type AnswerFixture,
  type CapabilityFixture,
  type ProviderCase,
  type ProviderConformanceOptions,
  providerConformance,
  registerProviderConformance,
  type StreamFixture,
} from "./provider.js";
export {
  type OptionalMethod,
  registerStoreConformance,
  type StoreCase,
  type StoreConformanceOptions,
  storeConformance,
} from "./store.js";
