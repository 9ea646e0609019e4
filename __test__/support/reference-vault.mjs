// A second implementation of the record format, written from docs/reference/record-format.md and
// from nothing else, in plain node:crypto. It is what the Rust vault is tested against, and what
// anyone may take to open their records without this project.

import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";

const TEXT_PREFIX = "byok1.";
const CONTEXT_LABEL = Buffer.from("byok-ai/record@v1\0");
const CIPHER_LABEL = Buffer.from("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");
const OVERHEAD = 84;
const PAYLOAD_MAX = 16_320;
const PROVIDER = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const FIELD_NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** Seals `payload` ({ apiKey, origin?, fields?: { name: Buffer }, createdAt? }); `salt` is for worked examples only. */
export function seal(master, context, payload, salt = randomBytes(24)) {
  const header = Buffer.concat([Buffer.from([1, 1, 0, 0]), kid(master)]);
  const derived = deriveMessage(master, header, salt, context);
  const cipher = createCipheriv("aes-256-gcm", derived.key, derived.nonce);
  const ciphertext = Buffer.concat([cipher.update(encodePayload(payload)), cipher.final()]);
  const record = Buffer.concat([header, salt, derived.commitment, ciphertext, cipher.getAuthTag()]);
  return TEXT_PREFIX + record.toString("base64url");
}

/** Opens a record; throws an Error whose `code` is BAD_RECORD, UNKNOWN_MASTER_KEY or DECRYPT_FAILED. */
export function open(master, context, sealed) {
  const record = decodeText(sealed);
  const header = record.subarray(0, 12);
  if (!header.subarray(4).equals(kid(master))) throw failure("UNKNOWN_MASTER_KEY");

  const derived = deriveMessage(master, header, record.subarray(12, 36), context);
  if (!timingSafeEqual(derived.commitment, record.subarray(36, 68)))
    throw failure("DECRYPT_FAILED");
  const decipher = createDecipheriv("aes-256-gcm", derived.key, derived.nonce);
  decipher.setAuthTag(record.subarray(-16));
  try {
    return decodePayload(
      Buffer.concat([decipher.update(record.subarray(68, -16)), decipher.final()]),
    );
  } catch {
    throw failure("DECRYPT_FAILED");
  }
}

/** The 8-byte id of a master key. */
export function kid(master) {
  return hkdfExpand(master, "byok-ai/v1/kid", 8);
}

/** The key that encrypts records under a master key. */
export function encryptionKey(master) {
  return hkdfExpand(master, "byok-ai/v1/enc", 32);
}

/** The fingerprint of an API key, as 32 hex digits. */
export function fingerprint(master, apiKey) {
  const key = hkdfExpand(master, "byok-ai/v1/fp", 32);
  return createHmac("sha256", key).update(apiKey).digest("hex").slice(0, 32);
}

function hkdfExpand(key, info, length) {
  const blocks = [];
  for (let i = 1; (i - 1) * 64 < length; i++) {
    const hmac = createHmac("sha512", key);
    if (i > 1) hmac.update(blocks[i - 2]);
    blocks.push(
      hmac
        .update(info)
        .update(Buffer.from([i]))
        .digest(),
    );
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function deriveMessage(master, header, salt, context) {
  const info = Buffer.concat([CIPHER_LABEL, salt, encodeContext(header, context)]);
  const okm = hkdfExpand(encryptionKey(master), info, 76);
  return { key: okm.subarray(0, 32), nonce: okm.subarray(32, 44), commitment: okm.subarray(44) };
}

function encodeContext(header, { namespace, userId, provider, label }) {
  const strings = [
    [namespace, 256],
    [userId, 512],
    [provider, 64],
    [label, 256],
  ];
  const parts = [CONTEXT_LABEL, header, Buffer.from([4])];
  for (const [index, [text, maxBytes]] of strings.entries()) {
    if (typeof text !== "string") throw failure("INVALID_ARGUMENT");
    const bytes = Buffer.from(text, "utf8");
    const wellFormed = bytes.toString("utf8") === text;
    if (!wellFormed || bytes.length < 1 || bytes.length > maxBytes)
      throw failure("INVALID_ARGUMENT");
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(index + 1, 0);
    prefix.writeUInt32BE(bytes.length, 1);
    parts.push(prefix, bytes);
  }
  if (!PROVIDER.test(provider)) throw failure("INVALID_ARGUMENT");
  return Buffer.concat(parts);
}

function decodeText(sealed) {
  if (!sealed.startsWith(TEXT_PREFIX)) throw failure("BAD_RECORD");
  const encoded = sealed.slice(TEXT_PREFIX.length);
  const record = Buffer.from(encoded, "base64url");
  if (record.toString("base64url") !== encoded) throw failure("BAD_RECORD");
  const payloadLength = record.length - OVERHEAD;
  const lengthIsValid =
    payloadLength >= 64 && payloadLength <= PAYLOAD_MAX && payloadLength % 64 === 0;
  if (!lengthIsValid || record.readUInt32BE(0) !== 0x01010000) throw failure("BAD_RECORD");
  return record;
}

function encodePayload({ apiKey, origin, fields = {}, createdAt }) {
  const items = [item(1, Buffer.from(apiKey))];
  if (origin !== undefined) items.push(item(2, Buffer.from(origin)));
  for (const name of Object.keys(fields).sort()) {
    items.push(
      item(3, Buffer.concat([Buffer.from([name.length]), Buffer.from(name), fields[name]])),
    );
  }
  if (createdAt !== undefined) {
    const value = Buffer.alloc(8);
    value.writeBigUInt64BE(BigInt(createdAt));
    items.push(item(4, value));
  }
  const bytes = Buffer.concat([...items, Buffer.from([0])]);
  const padded = Buffer.alloc(Math.ceil(bytes.length / 64) * 64);
  bytes.copy(padded);
  decodePayload(padded);
  return padded;
}

function item(tag, value) {
  const header = Buffer.alloc(3);
  header.writeUInt8(tag, 0);
  header.writeUInt16BE(value.length, 1);
  return Buffer.concat([header, value]);
}

function decodePayload(padded) {
  const payload = {};
  let lastTag = 0;
  let lastName = "";
  let at = 0;
  for (;;) {
    const tag = padded.readUInt8(at++);
    if (tag === 0) break;
    check(tag > lastTag || (tag === 3 && lastTag === 3));
    lastTag = tag;

    const length = padded.readUInt16BE(at);
    const value = padded.subarray(at + 2, at + 2 + length);
    check(value.length === length);
    at += 2 + length;
    if (tag === 1) {
      check(isVisibleAscii(value, 8_192));
      payload.apiKey = value.toString("latin1");
    } else if (tag === 2) {
      check(isVisibleAscii(value, 2_048));
      payload.origin = value.toString("latin1");
    } else if (tag === 3) {
      const nameEnd = 1 + value.readUInt8(0);
      const name = value.subarray(1, nameEnd).toString("latin1");
      const fieldLength = value.length - nameEnd;
      check(FIELD_NAME.test(name) && name > lastName && fieldLength >= 1 && fieldLength <= 8_192);
      lastName = name;
      payload.fields ??= Object.create(null);
      payload.fields[name] = Buffer.from(value.subarray(nameEnd));
    } else if (tag === 4) {
      check(value.length === 8);
      payload.createdAt = Number(value.readBigUInt64BE());
      check(Number.isSafeInteger(payload.createdAt));
    } else {
      check(false);
    }
  }
  check(payload.apiKey !== undefined);
  const padding = padded.subarray(at);
  check(padding.length < 64 && padding.every((byte) => byte === 0) && padded.length <= PAYLOAD_MAX);
  return payload;
}

function isVisibleAscii(bytes, maxLength) {
  return (
    bytes.length >= 1 &&
    bytes.length <= maxLength &&
    bytes.every((byte) => byte >= 0x21 && byte <= 0x7e)
  );
}

function check(condition) {
  if (!condition) throw failure("INVALID_ARGUMENT");
}

function failure(code) {
  return Object.assign(new Error(code), { code });
}
