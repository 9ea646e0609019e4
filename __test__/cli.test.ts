// The command line and the loading of the addon, each in a process of its own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(__dirname, "..");

function run(args: string[], cwd = ROOT) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: "utf8" });
  return { status, stdout, stderr };
}

/** The package as npm would install it, but without its platform package. */
function installedWithout(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "byok-"));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(ROOT, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  return folder;
}

test("help and version go to standard output", () => {
  const help = run(["dist/cli.js", "--help"]);
  assert.equal(help.status, 0);
  assert.match(help.stdout, /keygen/);
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.equal(run(["dist/cli.js", "--version"]).stdout, `${version}\n`);
});

test("an unknown command, or none, shows the help on standard error and exits with 2", () => {
  for (const args of [["keygne"], ["keygen", "2"], []]) {
    const { status, stdout, stderr } = run(["dist/cli.js", ...args]);
    assert.equal(status, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /Usage: byok-ai/);
  }
});

test("importing works without the addon, and its first use says what to install", (t) => {
  const folder = installedWithout(t);
  const script = `
    const { BYOK, MemoryStore } = require(".");
    try { new MemoryStore(); } catch (error) { console.log(error.message, error.cause.code); }
  `;
  const { stdout, stderr } = run(["-e", script], folder);
  assert.match(stdout, /@byok-ai\/native-\S+ is missing/, stderr);
  assert.match(stdout, /without --omit=optional/);
  assert.match(stdout, /MODULE_NOT_FOUND/);
});

test("a platform without a binary is named together with those that have one", (t) => {
  const folder = installedWithout(t);
  const script = `
    Object.defineProperty(process, "platform", { value: "sunos" });
    try { new (require(".").MemoryStore)(); } catch (error) { console.log(error.message); }
  `;
  assert.match(
    run(["-e", script], folder).stdout,
    /no native binary for sunos-\w+\. It runs on: linux-x64-gnu/,
  );
});

test("a binary of another version is refused with the command that mends it", (t) => {
  const folder = installedWithout(t);
  const script = `
    require.extensions[".node"] = (module) => { module.exports = { version: () => "9.9.9" }; };
    try { new (require(".").MemoryStore)(); } catch (error) { console.log(error.message); }
  `;
  for (const name of [
    "linux-x64-gnu",
    "linux-arm64-gnu",
    "linux-x64-musl",
    "linux-arm64-musl",
    "darwin-arm64",
    "darwin-x64",
    "win32-x64-msvc",
    "win32-arm64-msvc",
  ]) {
    writeFileSync(join(folder, `byok.${name}.node`), "");
  }
  const { stdout, stderr } = run(["-e", script], folder);
  assert.match(stdout, /found a native binary of version 9\.9\.9/, stderr);
  assert.match(stdout, /npm install byok-ai@/);
});

test("the browser build throws one clear sentence", () => {
  const { status, stderr } = run(["-e", 'require("./browser.js")']);
  assert.notEqual(status, 0);
  assert.match(stderr, /byok-ai runs on Node\.js servers only/);
});
