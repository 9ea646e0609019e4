// Master keys that HashiCorp Vault's (or OpenBao's) transit engine wraps. What the app keeps is the wrapped key
// (`vault:v1:...`); it is unwrapped once, when a process starts.
//
//   vault secrets enable transit && vault write -f transit/keys/byok
//   export VAULT_ADDR=https://vault.example.com:8200 VAULT_TOKEN=...
//   node examples/kms-vault.mjs                     make a wrapped key and print it
//   BYOK_WRAPPED_KEY=vault:v1:... node examples/kms-vault.mjs    use it
//
// Needed: update on transit/datakey/wrapped/byok to make a key, on transit/decrypt/byok to use it. After `vault
// write -f transit/keys/byok/rotate` the wrapped key goes on working; transit/rewrap/byok renews it.

import { pathToFileURL } from "node:url";
import { BYOK, SqliteStore } from "byok-ai";

/** Makes a master key that nobody has seen. */
export async function makeWrappedKey(vault, key = "byok") {
  const { ciphertext } = await post(vault, `transit/datakey/wrapped/${key}`, { bits: 256 });
  return ciphertext;
}

/** A function for `masterKey`: called once; the bytes that it gives are wiped by BYOK. */
export function fromVault(vault, wrappedKey, key = "byok") {
  return async () => {
    const { plaintext } = await post(vault, `transit/decrypt/${key}`, { ciphertext: wrappedKey });
    return Uint8Array.from(Buffer.from(plaintext, "base64"));
  };
}

/** @param vault - `{ address, token, namespace? }` */
async function post({ address, token, namespace }, path, body) {
  const response = await fetch(`${address}/v1/${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-vault-token": token,
      ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
    },
    body: JSON.stringify(body),
    redirect: "error",
  });
  const { data, errors = [] } = await response.json();
  if (!response.ok)
    throw new Error(`Vault answered ${response.status} for ${path}: ${errors.join("; ")}`);
  return data;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { VAULT_ADDR: address, VAULT_TOKEN: token, BYOK_WRAPPED_KEY: wrappedKey } = process.env;
  if (address === undefined || token === undefined)
    throw new Error("Set VAULT_ADDR and VAULT_TOKEN.");
  const vault = { address, token };
  if (wrappedKey === undefined) {
    console.log(`BYOK_WRAPPED_KEY=${await makeWrappedKey(vault)}`);
  } else {
    const masterKey = fromVault(vault, wrappedKey);
    const byok = new BYOK({ masterKey, store: new SqliteStore("keys.sqlite") });
    console.log(await byok.checkKeys({ open: true }));
    await byok.close();
  }
}
