// Keys that other libraries sealed, made here by those libraries themselves, are imported; what can't be is
// reported, and no key shows anywhere.

import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { encryptStringSync, generateKey, parseKeySync } from "@47ng/cloak";
import { BYOK, MemoryStore } from "byok-ai";
import { open } from "./support/reference-vault.mjs";

const MASTER = randomBytes(32);

function byHand(key, text, encoding, { ivBytes = 12, aad } = {}) {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  if (aad !== undefined) cipher.setAAD(Buffer.from(aad));
  const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return [iv, cipher.getAuthTag(), body].map((part) => part.toString(encoding)).join(":");
}

const entry = (user, encrypted, more = {}) => ({
  userId: `user_${user}`,
  provider: "openai",
  encrypted,
  ...more,
});

function make() {
  const store = new MemoryStore();
  return { store, byok: new BYOK({ masterKey: Uint8Array.from(MASTER), store }) };
}

async function keyOf(store, userId, label = "default") {
  const record = await store.get({ namespace: "default", userId, provider: "openai", label });
  return record && open(MASTER, record, record.sealed).apiKey;
}

const count = ({ read, imported, skipped, failed }) => [read, imported, skipped, failed];

test("records of @47ng/cloak are opened by the key that they name, of several", async () => {
  const { store, byok } = make();
  const keys = [generateKey(), generateKey(), generateKey()];
  const users = Array.from({ length: 450 }, (_, user) => user);
  async function* rows() {
    for (const user of users) {
      yield entry(user, encryptStringSync(`sk-${user}`, parseKeySync(keys[user % 3])));
    }
  }
  const progress = [];
  const report = await byok.importKeys(rows(), {
    format: "cloak-v1",
    key: keys,
    onProgress: ({ done }) => progress.push(done),
  });
  assert.deepEqual(report, {
    read: 450,
    imported: 450,
    skipped: 0,
    failed: 0,
    failures: [],
    dryRun: false,
  });
  assert.deepEqual(progress, [200, 400, 450]);
  for (const user of users) assert.equal(await keyOf(store, `user_${user}`), `sk-${user}`);
  const [info] = await byok.listKeys({ userId: "user_7" });
  assert.equal(info.status, "unverified");
});

for (const encoding of ["hex", "base64", "base64url"]) {
  test(`iv:tag:ciphertext of node:crypto in ${encoding} is opened, with both usual lengths of the IV`, async () => {
    const { store, byok } = make();
    const key = randomBytes(32);
    const format = encoding === "hex" ? "aes-256-gcm-hex" : "aes-256-gcm-base64";
    const entries = [];
    for (let user = 0; user < 60; user++) {
      const text = `sk-${user}-${"y".repeat(user)}`;
      const encrypted = byHand(key, text, encoding, { ivBytes: user % 2 ? 16 : 12 });
      entries.push(entry(user, encrypted));
    }
    const spellings = [
      Uint8Array.from(key),
      key.toString("hex"),
      key.toString("base64"),
      ` ${key.toString("base64url")}\n`,
    ];
    for (const spelling of spellings) {
      const options = { format, key: spelling, existing: "replace" };
      assert.deepEqual(count(await byok.importKeys(entries, options)), [60, 60, 0, 0]);
    }
    assert.ok(
      spellings[0].every((byte) => byte === 0),
      "a key in bytes is wiped",
    );
    for (let user = 0; user < 60; user++)
      assert.equal(await keyOf(store, `user_${user}`), `sk-${user}-${"y".repeat(user)}`);
  });
}

test("a key that is a text of 32 characters is taken as its bytes, as createCipheriv takes it", async () => {
  const { store, byok } = make();
  const key = "an app's secret of 32 characters";
  const entries = [entry(1, byHand(key, "sk-1", "hex"))];
  await byok.importKeys(entries, { format: "aes-256-gcm-hex", key });
  assert.equal(await keyOf(store, "user_1"), "sk-1");
});

test("additional data, labels, metadata, dates and pasted white space are taken along", async () => {
  const { store, byok } = make();
  const key = randomBytes(32);
  const encrypted = byHand(key, "  sk-1\n", "base64", { aad: "user_1" });
  const createdAt = new Date("2024-05-06T07:08:09.010Z");
  const entries = [
    entry(1, encrypted, {
      label: "work",
      additionalData: "user_1",
      metadata: { plan: "pro" },
      createdAt,
    }),
    entry(1, encrypted, { label: "other", additionalData: "user_2" }),
  ];
  const report = await byok.importKeys(new Set(entries), { format: "aes-256-gcm-base64", key });
  assert.deepEqual(count(report), [2, 1, 0, 1]);
  assert.equal(report.failures[0].code, "DECRYPT_FAILED");
  assert.equal(report.failures[0].label, "other");
  assert.equal(await keyOf(store, "user_1", "work"), "sk-1");
  const [info] = await byok.listKeys({ userId: "user_1" });
  assert.equal(info.createdAt, createdAt.toISOString());
  assert.deepEqual(info.metadata, { plan: "pro" });
});

test("a dry run says all that the import would, and writes nothing", async () => {
  const { store, byok } = make();
  const key = randomBytes(32);
  await byok.registerKey({
    userId: "user_0",
    provider: "openai",
    apiKey: "sk-theirs",
    validate: false,
  });
  const entries = () => [
    entry(0, byHand(key, "sk-0", "hex")),
    entry(1, byHand(key, "sk-1", "hex")),
    entry(2, byHand(randomBytes(32), "sk-2", "hex")),
  ];
  const options = { format: "aes-256-gcm-hex", key };
  const dry = await byok.importKeys(entries(), {
    ...options,
    key: Uint8Array.from(key),
    dryRun: true,
  });
  assert.deepEqual([dry.dryRun, ...count(dry)], [true, 3, 1, 1, 1]);
  assert.equal(await keyOf(store, "user_1"), null);

  const wet = await byok.importKeys(entries(), { ...options, key: Uint8Array.from(key) });
  assert.deepEqual(count(wet), count(dry));
  assert.equal(await keyOf(store, "user_0"), "sk-theirs", "a key that is there stays");
  const again = await byok.importKeys(entries(), { ...options, key: Uint8Array.from(key) });
  assert.deepEqual(count(again), [3, 0, 2, 1]);
  const replaced = await byok.importKeys(entries(), { ...options, existing: "replace" });
  assert.deepEqual(count(replaced), [3, 2, 0, 1]);
  assert.equal(await keyOf(store, "user_0"), "sk-0");
});

test("what can't be imported is named with its place and its own code, and does not stop the others", async () => {
  const { store, byok } = make();
  const [ours, strange] = [generateKey(), generateKey()];
  const good = encryptStringSync("sk-good", parseKeySync(ours));
  const edited = `${good.slice(0, -6)}${good.at(-6) === "A" ? "B" : "A"}${good.slice(-5)}`;
  const cases = [
    [good, undefined],
    [edited, "DECRYPT_FAILED"],
    [encryptStringSync("sk-strange", parseKeySync(strange)), "UNKNOWN_MASTER_KEY"],
    ["sk-in-the-clear-0123456789", "BAD_RECORD"],
    ["v1.aesgcm256.0011223.short.x", "BAD_RECORD"],
    [good.slice(0, 60), /BAD_RECORD|DECRYPT_FAILED/],
    [encryptStringSync("two words", parseKeySync(ours)), "INVALID_ARGUMENT"],
    [encryptStringSync("", parseKeySync(ours)), "INVALID_ARGUMENT"],
    ["", "BAD_RECORD"],
  ];
  const entries = cases.map(([encrypted], user) => entry(user, encrypted));
  entries.push(entry("x", good, { provider: "no-such-provider" }));
  const report = await byok.importKeys(entries, { format: "cloak-v1", key: ours, batchSize: 2 });
  assert.deepEqual(count(report), [10, 1, 0, 9]);
  for (const { index, userId, code, message } of report.failures) {
    assert.equal(userId, entries[index].userId);
    assert.match(code, new RegExp(cases[index]?.[1] ?? "UNKNOWN_PROVIDER"));
    assert.ok(message.length > 20);
  }
  assert.doesNotMatch(inspect(report, { depth: null }), /sk-|two words|k1\.aesgcm256/);
  assert.equal(await keyOf(store, "user_0"), "sk-good");
});

test("a long list of failures is counted, and a hundred of them are named", async () => {
  const { byok } = make();
  const entries = Array.from({ length: 350 }, (_, user) => entry(user, "nonsense"));
  const report = await byok.importKeys(entries, { format: "cloak-v1", key: generateKey() });
  assert.deepEqual([report.failed, report.failures.length], [350, 100]);
  assert.deepEqual(
    report.failures.map(({ index }) => index),
    [...Array(100).keys()],
  );
});

test("options, keys, entries and sources of a wrong shape are refused, and no key is repeated", async () => {
  const { byok } = make();
  const secret = "k1.aesgcm256.not-a-key";
  const key = generateKey();
  const wrong = [
    [[], { format: "rot13", key }, undefined],
    [[entry(1, "x")], { format: "rot13", key }, /"cloak-v1"/],
    [[entry(1, "x")], { format: "cloak-v1", key: secret }, /k1\.aesgcm256\.".*32 bytes/],
    [[entry(1, "x")], { format: "aes-256-gcm-hex", key: "too short" }, /not 32 bytes/],
    [
      [entry(1, "x")],
      { format: "aes-256-gcm-hex", key: [randomBytes(32), randomBytes(32)] },
      /Only Cloak/,
    ],
    [[entry(1, "x")], { format: "cloak-v1", key, dryrun: true }, /Did you mean dryRun/],
    [[entry(1, "x")], { format: "cloak-v1" }, /needs key/],
    [
      [entry(1, "x", { encrypt: "y" })],
      { format: "cloak-v1", key },
      /entry 0 has no option encrypt\./,
    ],
    [[{ userId: "u", provider: "openai" }], { format: "cloak-v1", key }, /entry 0 needs encrypted/],
    [
      [entry(1, "x"), { ...entry(2, "x"), userId: 2 }],
      { format: "cloak-v1", key },
      /entry 1: userId/,
    ],
    [7, { format: "cloak-v1", key }, /array, an iterable or an async iterable/],
  ];
  for (const [source, options, message] of wrong) {
    const run = byok.importKeys(source, options);
    if (message === undefined) {
      assert.equal((await run).read, 0);
      continue;
    }
    await assert.rejects(run, (error) => {
      assert.equal(error.code, "INVALID_ARGUMENT");
      assert.match(error.message, message);
      assert.doesNotMatch(inspect(error, { depth: null }), /not-a-key|too short/);
      return true;
    });
  }
});

test("a source that fails ends the import with its own error, and a signal with ABORTED", async () => {
  const { store, byok } = make();
  const key = generateKey();
  const sealed = (user) => encryptStringSync(`sk-${user}`, parseKeySync(key));
  const mistake = new Error("the cursor broke");
  let closed = false;
  async function* rows(fail) {
    try {
      for (let user = 0; ; user++) {
        if (user === 5) fail();
        yield entry(user, sealed(user));
      }
    } finally {
      closed = true;
    }
  }
  const options = { format: "cloak-v1", key, batchSize: 2 };
  const broken = byok.importKeys(
    rows(() => {
      throw mistake;
    }),
    options,
  );
  await assert.rejects(broken, (error) => error === mistake);
  assert.equal(await keyOf(store, "user_3"), "sk-3", "what was imported until then stays");

  closed = false;
  const controller = new AbortController();
  const aborted = byok.importKeys(
    rows(() => controller.abort()),
    {
      ...options,
      signal: controller.signal,
    },
  );
  await assert.rejects(aborted, (error) => error.code === "ABORTED" && error.name === "AbortError");
  assert.ok(closed, "the source is told that nobody reads on");
});
