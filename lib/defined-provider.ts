// What `defineProvider` returns: a checked definition, opaque to applications.

import { inspect } from "node:util";
import type { ProviderDefinition } from "./types/provider.js";

/** A provider of your own, for `new BYOK({ providers: { name: ... } })`: by itself, or as the `type` of an
 * object with options. It can be shared by several instances and registered under several names. */
export class DefinedProvider {
  readonly #definition: ProviderDefinition;

  /** @internal */
  constructor(definition: ProviderDefinition) {
    this.#definition = definition;
  }

  /** As the definition has it. */
  get name(): string {
    return this.#definition.name;
  }

  /** @internal */
  get definition(): ProviderDefinition {
    return this.#definition;
  }

  /** @internal */
  [inspect.custom](): string {
    return `DefinedProvider { name: ${inspect(this.name)} }`;
  }
}
