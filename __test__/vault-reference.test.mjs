// The Rust vault against the reference implementation in support/reference-vault.mjs: 10,000
// random records each way, the worked examples of the documentation, and what both refuse.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { encryptionKey, fingerprint, kid, open, seal } from "./support/reference-vault.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const RECORDS = 10_000;

test(`the reference opens ${RECORDS} records that Rust sealed`, () => {
  const lines = runRust(["seal", String(RECORDS)])
    .trimEnd()
    .split("\n");
  assert.equal(lines.length, RECORDS);
  for (const text of lines) {
    const line = JSON.parse(text);
    const master = Buffer.from(line.master, "hex");
    const payload = open(master, line, line.sealed);
    assert.equal(payload.apiKey, line.apiKey);
    assert.equal(payload.origin, line.origin);
    assert.equal(payload.createdAt, line.createdAt);
    assert.deepEqual(hexValues(payload.fields), { ...line.fields });
    assert.equal(fingerprint(master, line.apiKey), line.fingerprint);
    assert.throws(() => open(master, { ...line, userId: `${line.userId}x` }, line.sealed), {
      code: "DECRYPT_FAILED",
    });
  }
});

test(`Rust opens ${RECORDS} records that the reference sealed`, () => {
  const lines = Array.from({ length: RECORDS }, () => JSON.stringify(randomLine()));
  assert.equal(runRust(["open"], lines.join("\n")).trim(), String(RECORDS));
});

test("Rust refuses a reference record whose content is said to be something else", () => {
  const line = randomLine();
  for (const lie of [
    { apiKey: `${line.apiKey}x` },
    { userId: `${line.userId}x` },
    { origin: "https://elsewhere.example" },
    { createdAt: 1 },
    { fields: { other: "00" } },
    { sealed: line.sealed.slice(0, -1) },
  ]) {
    const result = spawnRust(["open"], JSON.stringify({ ...line, ...lie }));
    assert.equal(result.status, 1, JSON.stringify(lie));
  }
});

test("the reference reproduces the documented examples", () => {
  const page = readFileSync(join(ROOT, "docs/reference/record-format.md"), "utf8");
  const documented = [...page.matchAll(/^record +((?:[0-9a-f]+\s+)+)/gm)].map((match) =>
    match[1].replace(/\s/g, ""),
  );
  const master = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
  const salt = Buffer.from(Array.from({ length: 24 }, (_, index) => 0xa0 + index));
  const context = { namespace: "default", userId: "user_42", provider: "openai", label: "main" };
  const apiKey = "sk-test-0123456789abcdefghijklmnopqrstuvwxyz";
  const everyItem = {
    apiKey,
    origin: "https://llm.example.com",
    fields: { project: Buffer.from("proj-1"), organization: Buffer.from("org-1") },
    createdAt: 1_767_225_600_000,
  };
  const sealed = [{ apiKey }, everyItem].map((payload) => seal(master, context, payload, salt));

  assert.deepEqual(
    sealed.map((text) => Buffer.from(text.slice("byok1.".length), "base64url").toString("hex")),
    documented,
  );
  assert.match(page, new RegExp(`kid +${kid(master).toString("hex")}\n`));
  assert.match(page, new RegExp(`K_enc +${encryptionKey(master).toString("hex")}\n`));
  assert.ok(page.replace(/\s/g, "").includes(sealed[0]));
});

test("the reference refuses every flipped bit, truncation and extension of a record", () => {
  const { master, sealed, ...line } = randomLine();
  const key = Buffer.from(master, "hex");
  const record = Buffer.from(sealed.slice("byok1.".length), "base64url");
  const codes = new Set(["BAD_RECORD", "UNKNOWN_MASTER_KEY", "DECRYPT_FAILED"]);
  const refused = (bytes) =>
    assert.throws(
      () => open(key, line, `byok1.${Buffer.from(bytes).toString("base64url")}`),
      (error) => codes.has(error.code),
    );
  for (let bit = 0; bit < record.length * 8; bit++) {
    const changed = Buffer.from(record);
    changed[bit >> 3] ^= 1 << (bit & 7);
    refused(changed);
  }
  for (let length = 0; length < record.length; length++) refused(record.subarray(0, length));
  for (let byte = 0; byte < 256; byte++) refused([...record, byte]);
});

function runRust(args, input) {
  const result = spawnRust(args, input);
  assert.equal(result.status, 0, result.stderr);
  return result.stdout;
}

function spawnRust(args, input = "") {
  const command = ["run", "-q", "-p", "byok-vault", "--example", "records", "--", ...args];
  return spawnSync("cargo", command, { cwd: ROOT, input, encoding: "utf8", maxBuffer: 1 << 30 });
}

function randomLine() {
  const visible = range(0x21, 0x7e);
  const name = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"];
  const any = [
    ..."aZ9 \0\x7f\x80é\u0301ß\u07ff\u0800用户\ud7ff\ue000\ufeff\ufffd\uffff\u{10000}\u{1f600}\u{10ffff}",
  ];
  const master = randomBytes(32);
  const context = {
    namespace: pick(any, randomInt(1, 65)),
    userId: pick(any, randomInt(1, 129)),
    provider: pick([...range(0x61, 0x7a), ...range(0x30, 0x39)], randomInt(1, 65)),
    label: pick(any, randomInt(1, 65)),
  };
  const payload = {
    apiKey: pick(visible, randomInt(20) === 0 ? randomInt(1, 8_193) : randomInt(20, 180)),
  };
  if (randomInt(3) === 0) payload.origin = pick(visible, randomInt(1, 301));
  if (randomInt(2) === 0) payload.createdAt = randomInt(2 ** 47) * 64 + randomInt(64);
  const fields = Object.create(null);
  for (let count = randomInt(4); count > 0; count--)
    fields[pick(name, randomInt(1, 65))] = randomBytes(randomInt(1, 100));
  return {
    master: master.toString("hex"),
    ...context,
    ...payload,
    fields: hexValues(fields),
    fingerprint: fingerprint(master, payload.apiKey),
    sealed: seal(master, context, { ...payload, fields }),
  };
}

function pick(alphabet, length) {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("");
}

function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, index) =>
    String.fromCodePoint(first + index),
  );
}

function hexValues(fields = {}) {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value.toString("hex")]),
  );
}
