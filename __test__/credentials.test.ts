// Credentials that are more than a key: Azure's resource, deployment, version and token, and the missing
// key of a server of one's own, from registration to the request.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { BYOK, BYOKError } from "../dist/index.js";
import { type CapabilityServer, startCapabilityServer } from "./support/capability-server.js";

const TOKEN = "canary-token-0123456789abcdefghij";
let server: CapabilityServer;
let byok: BYOK;

before(async () => {
  server = await startCapabilityServer();
  const here = { baseURL: `${server.origin}/here`, allowPrivateNetwork: true };
  const providers = { "azure-openai": here, ollama: here };
  byok = new BYOK({ masterKey: randomBytes(32), providers });
});
after(async () => {
  server.stop();
  await byok.close();
});

const azure = (userId: string, apiKey: Record<string, string>, label?: string) =>
  byok.registerKey({ userId, provider: "azure-openai", apiKey, ...(label ? { label } : {}) });

test("a token goes where tokens go, also in the live check", async () => {
  server.take();
  const info = await azure("token", { token: TOKEN, resource: "r", deployment: "my-gpt" });
  assert.ok(!JSON.stringify(info).includes(TOKEN));
  await byok.use("token").chat({ prompt: "hi" });
  const asked = server.take();
  assert.deepEqual(
    asked.map(({ method, path }) => `${method} ${path}`),
    ["GET /here/models", "POST /here/chat/completions"],
  );
  for (const { headers } of asked) {
    assert.equal(headers.authorization, `Bearer ${TOKEN}`);
    assert.equal(headers["api-key"], undefined);
  }
});

test("the deployment of a credential serves unless a request names another", async () => {
  await azure("deployment", { apiKey: TOKEN, resource: "r", deployment: "my-gpt" });
  const user = byok.use("deployment");
  server.take();
  await user.chat({ prompt: "hi" });
  await user.chat({ prompt: "hi", model: "other" });
  assert.deepEqual(
    server.take().map(({ json }) => json.model),
    ["my-gpt", "other"],
  );
});

test("a dated version asks for the older paths, also in the live check", async () => {
  server.take();
  await azure("dated", { apiKey: TOKEN, resource: "r", apiVersion: "2024-10-21" });
  await byok.use("dated").embed({ input: "hi", model: "my-embed" });
  assert.deepEqual(
    server.take().map(({ path }) => path),
    [
      "/here/models?api-version=2024-10-21",
      "/here/deployments/my-embed/embeddings?api-version=2024-10-21",
    ],
  );
});

test("fields that are wrong are refused by name, and nothing is sent or stored", async () => {
  const own = new BYOK({ masterKey: randomBytes(32) });
  const refusal = async (apiKey: Record<string, string> | string) => {
    const provider = "azure-openai";
    const error = await own.registerKey({ userId: "u", provider, apiKey }).catch((e) => e);
    assert.ok(error instanceof BYOKError, String(error));
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.ok(!error.message.includes(TOKEN));
    return error.message;
  };
  assert.match(await refusal(TOKEN), /resource/);
  assert.match(await refusal({ apiKey: TOKEN }), /resource/);
  assert.match(await refusal({ apiKey: TOKEN, resource: "a.b/c" }), /apiKey\.resource/);
  assert.match(await refusal({ apiKey: TOKEN, resource: "r", region: "eu" }), /region/);
  assert.match(await refusal({ apiKey: TOKEN, token: TOKEN, resource: "r" }), /not both/);
  assert.deepEqual(await own.listKeys({ userId: "u" }), []);
  await own.close();
});

test("a local server needs no key, and gets none", async () => {
  server.take();
  await byok.registerKey({ userId: "local", provider: "ollama" });
  await byok.use("local").chat({ prompt: "hi", model: "qwen3" });
  const asked = server.take();
  assert.equal(asked.length, 2);
  for (const { headers } of asked) assert.equal(headers.authorization, undefined);
  await byok.registerKey({ userId: "keyed", provider: "ollama", apiKey: TOKEN });
  await byok.use("keyed").embed({ input: "hi", model: "nomic-embed-text" });
  for (const { headers } of server.take()) assert.equal(headers.authorization, `Bearer ${TOKEN}`);
});

test("a local server is there only when the application says so", async () => {
  const plain = new BYOK({ masterKey: randomBytes(32) });
  const error = await plain.registerKey({ userId: "u", provider: "ollama" }).catch((e) => e);
  assert.ok(error instanceof BYOKError);
  assert.equal(error.code, "INVALID_ARGUMENT");
  assert.match(error.message, /ollama: \{ allowPrivateNetwork: true \}/);
  assert.deepEqual(await plain.listKeys({ userId: "u" }), []);
  await plain.close();
});
