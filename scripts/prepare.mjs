// Makes a fresh clone ready: checks the tools, installs the packages, builds what is older than its
// sources. Every command of package.json that needs a build goes through here.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const windows = process.platform === "win32";

/** Runs a command, shows its output and ends the process with its code when it fails. */
export function run(command, args, options = {}) {
  const { env, ...rest } = options;
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    shell: windows,
    env: { ...process.env, ...env },
    ...rest,
  });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    fail(
      `${[command, ...args].join(" ")} failed (${result.signal ?? `exit code ${result.status}`}).`,
    );
  }
}

export function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}

/** Says what a step is about, on one line. */
export function step(text) {
  console.log(`\n== ${text}`);
}

export function checkTools() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node.js ${process.versions.node} is too old: install 20.19 or newer.`);
  }
  try {
    execFileSync("cargo", ["--version"], { cwd: root, stdio: "ignore", shell: windows });
  } catch {
    fail(
      "Rust is needed to build the native part: install it from https://rustup.rs and try again.",
    );
  }
}

export function installPackages() {
  const installed = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  step("Installing the npm packages");
  // Not `npm ci`: it refuses a lock file that leaves out optional packages of other platforms.
  run("npm", ["install", "--no-save", "--no-fund", "--no-audit", "--loglevel=error"]);
}

/** Builds addon and TypeScript; cargo and tsc leave alone what has not changed. */
export function build({ release = false } = {}) {
  step(release ? "Building (release)" : "Building (debug)");
  run("npm", ["run", "--silent", release ? "build:release" : "build"]);
}

export function prepare(options) {
  checkTools();
  installPackages();
  build(options);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  prepare({ release: process.argv.includes("--release") });
}
