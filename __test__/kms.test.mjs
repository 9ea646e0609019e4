// The examples of master keys that a KMS wraps: AWS's with the real SDK against moto's server, Vault's against a
// server that speaks its protocol, Google's with a client of its shape.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { BYOK, MemoryStore } from "byok-ai";
import * as aws from "../examples/kms-aws.mjs";
import * as gcp from "../examples/kms-gcp.mjs";
import * as vault from "../examples/kms-vault.mjs";

const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_REGION: "eu-central-1",
};

test("AWS KMS: the example stores a key and rotates, in this process and by itself", async (t) => {
  const endpoint = process.env.BYOK_TEST_KMS_URL;
  if (endpoint === undefined) {
    const reason = process.env.BYOK_TEST_KMS_URL_MISSING ?? "run `npm run services`";
    assert.ok(!process.env.CI, `BYOK_TEST_KMS_URL names no server: ${reason}`);
    return t.skip(reason);
  }
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const kms = new KMSClient({ endpoint, region: CREDENTIALS.AWS_REGION, credentials });
  t.after(() => kms.destroy());
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
  const lines = [];
  const result = await aws.demonstrate(kms, KeyMetadata.KeyId, (line) => lines.push(line));
  assert.deepEqual(result, { rewrapped: 1, previousKeysNeeded: false, records: 1, failed: 0 });

  // Bound to its context, and to the key inside KMS.
  const wrapped = await aws.makeWrappedKey(kms, KeyMetadata.KeyId);
  const bytes = await aws.fromKms(kms, wrapped)();
  assert.equal(bytes.length, 32);
  const spoilt = Buffer.from(wrapped, "base64");
  spoilt[spoilt.length - 1] ^= 1;
  const byok = new BYOK({
    masterKey: aws.fromKms(kms, spoilt.toString("base64")),
    store: new MemoryStore(),
  });
  await assert.rejects(byok.hasKey({ userId: "u", provider: "openai" }), (error) => {
    assert.equal(error.code, "INVALID_MASTER_KEY");
    assert.match(error.cause.name, /InvalidCiphertext/);
    return true;
  });

  const env = {
    ...process.env,
    ...CREDENTIALS,
    AWS_ENDPOINT_URL_KMS: endpoint,
    BYOK_KMS_KEY_ID: KeyMetadata.KeyId,
  };
  const file = join(import.meta.dirname, "../examples/kms-aws.mjs");
  const run = spawnSync(process.execPath, [file], { env, encoding: "utf8" });
  assert.match(
    run.stdout,
    /1 record moved; the old key is no longer needed\n1 record, 0 that/,
    run.stderr,
  );
});

/** What a KMS does, in a few lines: AES-256-GCM under a key that stays here. */
function wrapper() {
  const key = randomBytes(32);
  return {
    wrap(bytes, aad = "") {
      const iv = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(aad));
      return Buffer.concat([iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
    },
    unwrap(wrapped, aad = "") {
      const decipher = createDecipheriv("aes-256-gcm", key, wrapped.subarray(0, 12));
      decipher.setAAD(Buffer.from(aad)).setAuthTag(wrapped.subarray(-16));
      return Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
    },
  };
}

/** Stores a key under one master key, moves it to another, and opens it under that alone. */
async function rotate(first, second) {
  const store = new MemoryStore();
  const before = new BYOK({ masterKey: first, store });
  await before.registerKey({ userId: "u", provider: "openai", apiKey: "sk-u", validate: "format" });
  const both = new BYOK({ masterKeys: { current: second, previous: [first] }, store });
  assert.equal((await both.rewrapKeys()).rewrapped, 1);
  const found = await new BYOK({ masterKey: second, store }).checkKeys({ open: true });
  assert.deepEqual([found.records, found.failed], [1, 0]);
}

test("Vault transit: the example makes wrapped keys, unwraps them and says what Vault says", async (t) => {
  const { wrap, unwrap } = wrapper();
  const server = createServer(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
    const answer = (status, value) => response.writeHead(status).end(JSON.stringify(value));
    if (request.headers["x-vault-token"] !== "s.token")
      return answer(403, { errors: ["permission denied"] });
    if (request.url === "/v1/transit/datakey/wrapped/byok") {
      assert.equal(body.bits, 256);
      const ciphertext = `vault:v1:${wrap(randomBytes(32)).toString("base64")}`;
      return answer(200, { data: { ciphertext, key_version: 1 } });
    }
    assert.equal(request.url, "/v1/transit/decrypt/byok");
    const wrapped = Buffer.from(body.ciphertext.slice("vault:v1:".length), "base64");
    return answer(200, { data: { plaintext: unwrap(wrapped).toString("base64") } });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const place = { address: `http://127.0.0.1:${server.address().port}`, token: "s.token" };
  const keys = [await vault.makeWrappedKey(place), await vault.makeWrappedKey(place)];
  await rotate(vault.fromVault(place, keys[0]), vault.fromVault(place, keys[1]));

  const masterKey = vault.fromVault({ ...place, token: "wrong" }, keys[0]);
  const byok = new BYOK({ masterKey, store: new MemoryStore() });
  await assert.rejects(byok.listKeys({ userId: "u" }), (error) => {
    assert.equal(error.code, "INVALID_MASTER_KEY");
    assert.match(error.cause.message, /403 .*permission denied/);
    return true;
  });
});

test("Google Cloud KMS: the example wraps and unwraps with the client's calls", async () => {
  const { wrap, unwrap } = wrapper();
  const name = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
  const client = {
    async encrypt(request) {
      assert.equal(request.name, name);
      return [{ ciphertext: wrap(request.plaintext, request.additionalAuthenticatedData) }];
    },
    async decrypt(request) {
      assert.equal(request.name, name);
      return [{ plaintext: unwrap(request.ciphertext, request.additionalAuthenticatedData) }];
    },
  };
  const keys = [await gcp.makeWrappedKey(client, name), await gcp.makeWrappedKey(client, name)];
  await rotate(gcp.fromKms(client, name, keys[0]), gcp.fromKms(client, name, keys[1]));
});
