// The stores over databases, on real servers: the conformance suite, and what the library makes of rows that
// somebody edited in the database itself. A server that can't be had is reported as skipped, and fails
// the run where CI is set.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { BYOK, type BYOKError, type KeyStore } from "../dist/index.js";
import { registerStoreConformance } from "../dist/testing/store.js";
import { DATABASES, type Database, type Tested } from "./support/databases.js";

const MASTER = Buffer.alloc(32, "a master key of tests \x01").toString("base64");
const OTHER_MASTER = Buffer.alloc(32, "another one for tests \x02").toString("base64");

// Most of the time is waiting for disks, so some stores go at once; the cases of one never do.
describe("stores over databases", { concurrency: 4 }, () => {
  for (const tested of DATABASES) {
    const { name, variable } = tested;
    const url = process.env[variable];
    if (url !== undefined) describe(name, { concurrency: false }, () => cases(tested, url));
    else if (variable === "MONGODB_URL") test.skip(`${name}: MONGODB_URL names none`);
    else test(name, (t) => missing(tested, (why) => t.skip(why)));
  }
});

function missing({ variable }: Tested, skip: (reason: string) => void): void {
  const reason =
    process.env[`${variable}_MISSING`] ?? "run `npm run services` and set the variables it prints";
  assert.ok(!process.env["CI"], `${variable} names no server: ${reason}`);
  skip(reason);
}

function cases({ name, requires, concurrency = 8, open }: Tested, url: string): void {
  let database!: Database;
  before(async () => {
    database = await open(url);
  });
  after(() => database?.close());

  registerStoreConformance(test, {
    name,
    requires,
    concurrency,
    create: () => database.create(),
    reopen: () => database.reopen(),
    disconnect: (store) => database.disconnect(store),
  });

  test(`${name}: gives no key from rows that were edited in the database`, async () => {
    await editRows(await database.create(), database);
  });

  test(`${name}: says what to do when its table is missing, and makes it once for many`, async (t) => {
    const unmade = database.unmade?.();
    if (unmade === undefined) return t.skip("there is nothing to make");
    const { store, drop } = unmade;
    try {
      const missing = /does not (exist|have)[\s\S]*(migrate\(\)|prisma migrate)/;
      const id = { namespace: "default", userId: "u", provider: "openai", label: "default" };
      await assert.rejects(store.get(id), { message: missing });
      await assert.rejects(store.list(id), { message: missing });
      if (store.migrate === undefined) return;
      await Promise.all(Array.from({ length: 4 }, () => store.migrate?.()));
      await store.migrate();
      assert.equal(await store.get(id), null);
    } finally {
      await drop();
    }
  });

  test(`${name}: refuses a cursor that it did not make, and a limit of 0`, async () => {
    const store = await database.create();
    for (const options of [
      { limit: 1, cursor: "nonsense" },
      { limit: 1, cursor: "WyJhIl0x" },
      { limit: 1, cursor: Buffer.from('["a","b"]').toString("base64url") },
      { limit: 0 },
      { limit: 1.5 },
    ]) {
      await assert.rejects(async () => store.scan?.(options), { code: "INVALID_ARGUMENT" });
    }
  });
}

/** Each way to tamper with a row, and the error that it gives. */
async function editRows(store: KeyStore, database: Database): Promise<void> {
  const keys = { u: "sk-of-u-0123456789abcdef", v: "sk-of-v-fedcba9876543210" };
  const byok = new BYOK({ masterKey: MASTER, store });
  const register = (userId: "u" | "v", by = byok) =>
    by.registerKey({ userId, provider: "openai", apiKey: keys[userId], validate: false });
  const row = async (userId: string) => {
    const id = { namespace: "default", userId, provider: "openai", label: "default" };
    const found = await store.get(id);
    assert.ok(found != null);
    return found;
  };
  // No request leaves: whatever opens is met by a base URL that nothing listens at.
  const providers = {
    openai: { baseURL: "http://127.0.0.1:9/v1", allowPrivateNetwork: true, maxRetries: 0 },
  };
  const user = new BYOK({ masterKey: MASTER, store, providers });
  const outcome = async (userId: string) => {
    const error: BYOKError = await user.verifyKey({ userId, provider: "openai" }).then(
      () => assert.fail("no provider listens"),
      (reason) => reason,
    );
    assert.doesNotMatch(JSON.stringify(error) + error.stack, /sk-of-/);
    return error.code;
  };
  await register("u");
  await register("v");
  const [u, v] = [await row("u"), await row("v")];
  assert.equal(await outcome("u"), "PROVIDER_UNAVAILABLE", "an untouched row opens");

  const put = (columns: Record<string, string>) => database.edit("u", columns);
  const { sealed } = u;
  const edits: [string, Record<string, string>, string][] = [
    ["another user's sealed text", { sealed: v.sealed }, "DECRYPT_FAILED"],
    [
      "an edited byte",
      { sealed: `${sealed.slice(0, 99)}${sealed[99] === "A" ? "B" : "A"}${sealed.slice(100)}` },
      "DECRYPT_FAILED",
    ],
    ["a truncated text", { sealed: sealed.slice(0, 200) }, "BAD_RECORD"],
    ["a text that is none", { sealed: "'; DROP TABLE byok_keys; --" }, "BAD_RECORD"],
    ["an empty text", { sealed: "" }, "BAD_RECORD"],
    ["another version", { sealed: sealed.replace("byok1", "byok9") }, "BAD_RECORD"],
    ["a status that there is not", { status: "fine" }, "BAD_RECORD"],
  ];
  for (const [what, columns, code] of edits) {
    await put(columns);
    assert.equal(await outcome("u"), code, what);
    await put({ sealed, status: u.status });
    assert.equal(await outcome("u"), "PROVIDER_UNAVAILABLE", `${what}, put back`);
  }

  // Columns of JSON refuse it; others hand it out, and the library refuses it then.
  const broken = await put({ metadata: "{" }).then(
    () => outcome("u"),
    (error: Error) => /json/i.test(error.message) && "refused by the database",
  );
  assert.ok(broken === "BAD_RECORD" || broken === "refused by the database", `${broken}`);
  await database.create(); // Empties the table.
  await store.set(u);
  await store.set(v);

  // Two rows that changed places.
  await put({ sealed: v.sealed });
  await database.edit("v", { sealed });
  assert.equal(await outcome("u"), "DECRYPT_FAILED");
  assert.equal(await outcome("v"), "DECRYPT_FAILED");

  // A whole row under another user's name.
  await put({ sealed });
  await database.edit("v", { sealed: v.sealed, userId: "w" });
  assert.equal(await outcome("v"), "KEY_NOT_FOUND");
  assert.equal(await outcome("w"), "DECRYPT_FAILED");
  await assert.rejects(user.use("w").chat({ prompt: "?" }), { code: "DECRYPT_FAILED" });

  // A row that another installation sealed.
  await register("u", new BYOK({ masterKey: OTHER_MASTER, store }));
  assert.equal(await outcome("u"), "UNKNOWN_MASTER_KEY");
  await assert.rejects(user.use("u").chat({ prompt: "?" }), { code: "UNKNOWN_MASTER_KEY" });
}
