// Master keys that AWS KMS wraps, and their rotation. KMS keeps a key that never leaves it; what the app keeps,
// as a file or an environment variable, is a master key wrapped by that key. It is unwrapped once, when a
// process starts: no call to KMS for each record, and rotating the key inside KMS costs nothing here.
//
//   npm install byok-ai @aws-sdk/client-kms
//   BYOK_KMS_KEY_ID=alias/byok node examples/kms-aws.mjs
//
// Region, credentials and endpoint are the SDK's own (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_KMS ...).
// Needed: kms:GenerateDataKeyWithoutPlaintext to make a master key, kms:Decrypt to use it.

import { pathToFileURL } from "node:url";
import {
  DecryptCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  KMSClient,
} from "@aws-sdk/client-kms";
import { BYOK, MemoryStore } from "byok-ai";

/** What the wrapped key is bound to; unwrapping under another context fails, and CloudTrail shows it. */
const EncryptionContext = { app: "byok-ai", purpose: "master-key" };

/** Makes a master key that nobody has seen: base64, for your configuration. */
export async function makeWrappedKey(kms, keyId) {
  const command = new GenerateDataKeyWithoutPlaintextCommand({
    KeyId: keyId,
    KeySpec: "AES_256",
    EncryptionContext,
  });
  const { CiphertextBlob } = await kms.send(command);
  return Buffer.from(CiphertextBlob).toString("base64");
}

/** A function for `masterKey`: called once; the bytes that it gives are wiped by BYOK. */
export function fromKms(kms, wrappedKey) {
  return async () => {
    const command = new DecryptCommand({
      CiphertextBlob: Buffer.from(wrappedKey, "base64"),
      EncryptionContext,
    });
    const { Plaintext } = await kms.send(command);
    return Plaintext;
  };
}

/** All of it: a key is stored, the master key is rotated, the key is still there. */
export async function demonstrate(kms, keyId, print = console.log) {
  const store = new MemoryStore(); // Yours is a database.
  const oldKey = await makeWrappedKey(kms, keyId);
  print(`BYOK_WRAPPED_KEY=${oldKey}`);
  const before = new BYOK({ masterKey: fromKms(kms, oldKey), store });
  await before.registerKey({
    userId: "user_123",
    provider: "openai",
    apiKey: "sk-a-key-of-the-user",
    validate: "format",
  });

  // The rotation, as docs/rotation.md tells it: accepted everywhere first, then current, then moved.
  const newKey = await makeWrappedKey(kms, keyId);
  const masterKeys = { current: fromKms(kms, newKey), previous: [fromKms(kms, oldKey)] };
  const rotating = new BYOK({ masterKeys, store });
  const { rewrapped, previousKeysNeeded } = await rotating.rewrapKeys();
  print(
    `${rewrapped} record moved; the old key is ${previousKeysNeeded ? "still" : "no longer"} needed`,
  );

  const after = new BYOK({ masterKey: fromKms(kms, newKey), store });
  const { records, failed } = await after.checkKeys({ open: true });
  print(`${records} record, ${failed} that do not open under the new key alone`);
  await after.close();
  return { rewrapped, previousKeysNeeded, records, failed };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const keyId = process.env.BYOK_KMS_KEY_ID;
  if (keyId === undefined) throw new Error("Set BYOK_KMS_KEY_ID to a key's id, ARN or alias.");
  await demonstrate(new KMSClient(), keyId);
}
