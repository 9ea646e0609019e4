// What a careful backend without byok-ai does: one AES-256-GCM record for each user, bound to the user
// by additional data, opened by node:crypto for every call.

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @returns {Buffer} nonce, tag, ciphertext */
export function seal(masterKey, userId, apiKey) {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", masterKey, nonce).setAAD(Buffer.from(userId));
  const ciphertext = Buffer.concat([cipher.update(apiKey, "utf8"), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/** @returns {string} the API key; throws when the record was changed or is another user's */
export function open(masterKey, userId, record) {
  const nonce = record.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", masterKey, nonce);
  decipher.setAAD(Buffer.from(userId));
  decipher.setAuthTag(record.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return (
    decipher.update(record.subarray(NONCE_BYTES + TAG_BYTES), undefined, "utf8") +
    decipher.final("utf8")
  );
}
