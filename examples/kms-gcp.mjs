// Master keys that Google Cloud KMS wraps. What the app keeps is the wrapped key; it is unwrapped once, when a
// process starts.
//
//   npm install byok-ai @google-cloud/kms
//   export BYOK_KMS_KEY=projects/P/locations/L/keyRings/R/cryptoKeys/K
//   node examples/kms-gcp.mjs                     make a wrapped key and print it
//   BYOK_WRAPPED_KEY=... node examples/kms-gcp.mjs    use it
//
// Needed: roles/cloudkms.cryptoKeyEncrypter to make a key, roles/cloudkms.cryptoKeyDecrypter to use it.

import { randomBytes } from "node:crypto";
import { pathToFileURL } from "node:url";
import { BYOK, SqliteStore } from "byok-ai";

const additionalAuthenticatedData = Buffer.from("byok-ai master key");

/** Makes a master key: base64, for your configuration. Cloud KMS does not make data keys itself. */
export async function makeWrappedKey(kms, name) {
  const plaintext = randomBytes(32);
  try {
    const [{ ciphertext }] = await kms.encrypt({ name, plaintext, additionalAuthenticatedData });
    return Buffer.from(ciphertext).toString("base64");
  } finally {
    plaintext.fill(0);
  }
}

/** A function for `masterKey`: called once; the bytes that it gives are wiped by BYOK. */
export function fromKms(kms, name, wrappedKey) {
  return async () => {
    const ciphertext = Buffer.from(wrappedKey, "base64");
    const [{ plaintext }] = await kms.decrypt({ name, ciphertext, additionalAuthenticatedData });
    return plaintext;
  };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { KeyManagementServiceClient } = await import("@google-cloud/kms");
  const kms = new KeyManagementServiceClient();
  const { BYOK_KMS_KEY: name, BYOK_WRAPPED_KEY: wrappedKey } = process.env;
  if (name === undefined) throw new Error("Set BYOK_KMS_KEY to a key's resource name.");
  if (wrappedKey === undefined) {
    console.log(`BYOK_WRAPPED_KEY=${await makeWrappedKey(kms, name)}`);
  } else {
    const masterKey = fromKms(kms, name, wrappedKey);
    const byok = new BYOK({ masterKey, store: new SqliteStore("keys.sqlite") });
    console.log(await byok.checkKeys({ open: true }));
    await byok.close();
  }
}
