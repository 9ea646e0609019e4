// The command on stores: what it prints, how it exits, where its keys come from.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Pool } from "pg";
import {
  BYOK,
  type KeyReport,
  type KeyStore,
  type RewrapReport,
  SqliteStore,
} from "../dist/index.js";
import { PostgresStore } from "../dist/stores/postgres.js";

const ROOT = join(__dirname, "..");
const CLI = join(ROOT, "dist", "cli.js");
const [OLD, NEW] = [0, 1].map(() => randomBytes(32).toString("base64")) as [string, string];
const DONE = 0;
const FAILED = 1;
const USAGE = 2;
const ATTENTION = 3;

const folder = mkdtempSync(join(tmpdir(), "byok-cli-"));
after(() => rmSync(folder, { recursive: true }));

interface Run {
  env?: Record<string, string>;
  input?: string;
  cwd?: string;
}

function run(args: string[], { env = {}, input = "", cwd = ROOT }: Run = {}) {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^BYOK_(MASTER|STORE)/.test(name)),
  );
  const options = { cwd, input, env: { ...clean, ...env }, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], options);
  return { status, stdout, stderr, all: stdout + stderr };
}

const keys = (current: string, ...previous: string[]) => ({
  BYOK_MASTER_KEY: current,
  BYOK_MASTER_KEY_PREVIOUS: previous.join(","),
});

async function fill(store: KeyStore, count: number): Promise<void> {
  const byok = new BYOK({ masterKey: OLD, store });
  for (let user = 0; user < count; user++) {
    const id = { userId: `user_${user}`, provider: "openai" };
    await byok.registerKey({ ...id, apiKey: `sk-${user}`, validate: "format" });
  }
  await byok.close();
}

let files = 0;
async function sqlite(count: number): Promise<string> {
  files += 1;
  const path = join(folder, `keys-${files}.sqlite`);
  await fill(new SqliteStore(path), count);
  return path;
}

test("a rotation by the command, step by step", async () => {
  const path = await sqlite(30);
  const before = run(["status", path], { env: keys(OLD, NEW) });
  assert.equal(before.status, DONE, before.all);
  assert.match(
    before.stdout,
    /^30 records in .*\n {2}[0-9a-f]{16} {2}current {3}30\n {2}[0-9a-f]{16} {2}previous {2}0\n$/,
  );

  const moved = run(["rewrap", path], { env: keys(NEW, OLD) });
  assert.equal(moved.status, DONE, moved.all);
  assert.match(
    moved.stdout,
    /^30 records rewrapped in .*\nNo record needs a previous key any more\.\n$/,
  );

  const verified = run(["verify"], { env: { ...keys(NEW), BYOK_STORE: path } });
  assert.equal(verified.status, DONE, verified.all);
  assert.match(verified.stdout, /All of them open\.\n$/);

  const again = run(["rewrap", `sqlite://${path}`], { env: keys(NEW, OLD) });
  assert.match(again.stdout, /^0 records rewrapped/);
});

test("what needs a person exits with 3, and odd ids can't write to the terminal", async () => {
  const path = await sqlite(2);
  const store = new SqliteStore(path);
  const id = { namespace: "default", userId: "user_0", provider: "openai", label: "default" };
  const record = await store.get(id);
  assert.ok(record);
  await store.set({ ...record, userId: "\u001b[2J\u0007mallory" });
  await store.close();

  const unknown = run(["status", path], { env: keys(NEW) });
  assert.equal(unknown.status, ATTENTION);
  assert.match(unknown.stdout, /unknown {3}3\n3 records can't be opened/);

  const moved = run(["rewrap", path], { env: keys(NEW, OLD) });
  assert.equal(moved.status, ATTENTION);
  assert.match(moved.stdout, /^2 records rewrapped/);
  assert.match(
    moved.stdout,
    /DECRYPT_FAILED {2}"default" "\\u001b\[2J\\u0007mallory" "openai" "default"/,
  );
  assert.match(moved.stdout, /previous {2}1\nKeep the previous keys/);
  assert.ok(!moved.all.includes("\u001b"));
  assert.equal(run(["verify", path], { env: keys(NEW, OLD) }).status, ATTENTION);
});

test("--json prints the report alone, for programs", async () => {
  const path = await sqlite(3);
  const moved = run(["rewrap", path, "--json"], { env: keys(NEW, OLD) });
  const report = JSON.parse(moved.stdout) as RewrapReport;
  assert.deepEqual([report.rewrapped, report.previousKeysNeeded], [3, false]);
  const found = run(["verify", path, "--json"], { env: keys(NEW) });
  assert.deepEqual((JSON.parse(found.stdout) as KeyReport).failures, []);
  assert.equal(moved.stderr + found.stderr, "");
});

test("keys come from a file or standard input, and a file that others can read is pointed at", async () => {
  const path = await sqlite(3);
  const file = join(folder, "keys.txt");
  writeFileSync(file, `# the new one\n${NEW}\n\n${OLD}\n`, { mode: 0o600 });
  const fromFile = run(["rewrap", path, "--key-file", file]);
  assert.equal(fromFile.status, DONE, fromFile.all);
  assert.equal(fromFile.stderr, "");
  chmodSync(file, 0o644);
  if (process.platform !== "win32") {
    assert.match(run(["status", path, "--key-file", file]).stderr, /readable by others: chmod 600/);
  }
  assert.equal(run(["status", path, "--key-file", "-"], { input: `${NEW}\n` }).status, DONE);
  const absent = run(["status", path, "--key-file", join(folder, "none")]);
  assert.equal(absent.status, USAGE);
  assert.match(absent.stderr, /key file can't be read/);
});

test("a key on the command line is refused and not repeated", async () => {
  const path = await sqlite(1);
  for (const option of ["--master-key", "--key", "--masterkey", "--previous-key", "-key"]) {
    for (const args of [[`${option}=${NEW}`], [option, NEW]]) {
      const { status, stderr, all } = run(["status", path, ...args]);
      assert.equal(status, USAGE);
      assert.match(stderr, /visible to every user/);
      assert.ok(!all.includes(NEW));
    }
  }
});

test("mistakes on the command line exit with 2 and say what is right", async () => {
  const path = await sqlite(1);
  const env = keys(NEW, OLD);
  const wrong: [string[], RegExp][] = [
    [["rewrp", path], /no command rewrp\. Did you mean rewrap\?/],
    [["rewrap", path, "extra"], /rewrap does not take "extra"/],
    [["rewrap", path, "--batch-size", "x"], /--batch-size takes a whole number/],
    [["rewrap", path, "--bath-size", "1"], /Unknown option '--bath-size'/],
    [["status", path, "--single-writer"], /--single-writer belongs to rewrap/],
    [["status"], /Which store\?/],
    [["status", join(folder, "none.sqlite")], /There is no SQLite file/],
    [["status", path, "--table", "x"], /--table belongs to PostgreSQL/],
    [["status", "mysql://root@localhost/x"], /does not know mysql:\/\/ stores.*docs\/rotation\.md/],
  ];
  for (const [args, message] of wrong) {
    const { status, stdout, stderr } = run(args, { env });
    assert.equal(status, USAGE, `${args}`);
    assert.match(stderr, message);
    assert.equal(stdout, "");
  }
  const without = run(["status", path]);
  assert.equal(without.status, USAGE);
  assert.match(without.stderr, /set BYOK_MASTER_KEY.*--key-file/);
});

test("what can't be finished exits with 1 and names its cause", async () => {
  const path = await sqlite(1);
  const bad = run(["status", path], { env: keys("not a key") });
  assert.equal(bad.status, FAILED);
  assert.match(bad.stderr, /^INVALID_MASTER_KEY: .*keygen/);
  assert.ok(!bad.all.includes("not a key"));
  const text = join(folder, "text.sqlite");
  writeFileSync(text, "x".repeat(5_000));
  const broken = run(["status", text], { env: keys(NEW) });
  assert.equal(broken.status, FAILED);
  assert.match(broken.stderr, /^STORE_ERROR: .*not a database/);
  const nobody = run(["status", "postgres://nobody:hunter2@127.0.0.1:9/x"], { env: keys(NEW) });
  assert.equal(nobody.status, FAILED);
  assert.match(nobody.stderr, /^STORE_ERROR: .*\nCause: .*ECONNREFUSED/);
  assert.ok(!nobody.all.includes("hunter2"));
});

test("Ctrl+C ends a rotation with 130, and what was done stays", async (t) => {
  if (process.platform === "win32") return t.skip("Windows has no SIGINT for children");
  const path = await sqlite(1_500);
  const child = spawn(
    process.execPath,
    [CLI, "rewrap", path, "--batch-size", "1", "--concurrency", "1"],
    {
      cwd: ROOT,
      env: { ...process.env, ...keys(NEW, OLD) },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const reader = new BYOK({ masterKey: NEW, store: new SqliteStore(path) });
  const moved = async () => (await reader.checkKeys()).keys[0]?.records ?? 0;
  while ((await moved()) === 0 && child.exitCode === null)
    await new Promise((r) => setTimeout(r, 5));
  child.kill("SIGINT");
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 130, said);
  assert.match(said, /Interrupted/);
  const done = await moved();
  assert.ok(done > 0 && done < 1_500, `${done}`);
  await reader.close();
  const { stdout } = run(["rewrap", path], { env: keys(NEW, OLD) });
  assert.match(stdout, new RegExp(`^${(1_500 - done).toLocaleString("en")} records rewrapped`));
});

test("a PostgreSQL store is reached through the project's own driver, pg or postgres", async (t) => {
  const url = process.env["BYOK_TEST_POSTGRES_URL"];
  if (url === undefined) {
    assert.ok(!process.env["CI"], "BYOK_TEST_POSTGRES_URL names no server");
    return t.skip("BYOK_TEST_POSTGRES_URL names no server: run `npm run services`");
  }
  const table = `byok_cli_${process.pid}`;
  const pool = new Pool({ connectionString: url });
  t.after(async () => {
    await pool.query(`DROP TABLE IF EXISTS ${table}`);
    await pool.end();
  });
  const store = new PostgresStore(pool, { table });
  await store.migrate();
  await fill(store, 20);

  const project = (...drivers: string[]) => {
    const cwd = mkdtempSync(join(folder, "project-"));
    mkdirSync(join(cwd, "node_modules"));
    for (const driver of drivers) {
      symlinkSync(
        join(ROOT, "node_modules", driver),
        join(cwd, "node_modules", driver),
        "junction",
      );
    }
    return cwd;
  };
  const args = ["--table", table, "--json"];
  const without = run(["status", url, ...args], { env: keys(OLD), cwd: project() });
  assert.equal(without.status, USAGE);
  assert.match(without.stderr, /needs the package pg or postgres.*npm install pg/);

  for (const [driver, current, previous] of [
    ["pg", NEW, OLD],
    ["postgres", OLD, NEW],
  ] as const) {
    const env = { ...keys(current, previous), BYOK_STORE: url };
    const cwd = project(driver);
    const moved = run(["rewrap", ...args], { env, cwd });
    assert.equal(moved.status, DONE, moved.all);
    assert.equal((JSON.parse(moved.stdout) as RewrapReport).rewrapped, 20);
    const verified = run(["verify", ...args], {
      env: { ...env, BYOK_MASTER_KEY_PREVIOUS: "" },
      cwd,
    });
    assert.equal(verified.status, DONE, verified.all);
  }
});
