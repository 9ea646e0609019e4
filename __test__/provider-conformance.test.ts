// The conformance suite over every provider and capability that the addon has: a new one is covered by
// being there, and fails until it has a fixture if it speaks a protocol of its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BYOK, type Capability, MemoryStore, type ProviderOptions } from "../dist/index.js";
import { type CapabilityFixture, providerConformance } from "../dist/testing/index.js";
import { MASTER } from "./support/library.js";
import { fixturesOf } from "./support/protocols.js";

const make = (providers: Record<string, ProviderOptions> = {}) =>
  new BYOK({ masterKey: MASTER, store: new MemoryStore(), providers });

test("every provider and capability", async (t) => {
  const byok = make();
  const providers = await byok.providers();
  await byok.close();
  assert.ok(providers.length >= 3);
  for (const { provider, capabilities } of providers) {
    await t.test(provider, { concurrency: 4 }, async (t) => {
      assert.ok(capabilities.length > 0);
      const fixtures: Partial<Record<Capability, CapabilityFixture>> = {};
      for (const capability of capabilities) {
        const fixture = fixturesOf(provider)[capability];
        assert.ok(fixture, `no fixture for ${capability}: see support/protocols.ts`);
        fixtures[capability] = fixture;
      }
      const cases = providerConformance({
        provider,
        create: (settings) => make({ [provider]: settings }),
        capabilities: fixtures,
      });
      await Promise.all(
        cases.map(({ name, run }) => t.test(name, (t) => run((reason) => t.skip(reason)))),
      );
    });
  }
});
