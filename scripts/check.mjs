// npm run check: everything that needs no running code: formatting, lints, types, the package's shape,
// licences and sources of dependencies, and rules that are a glance.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { checkTools, fail, installPackages, root, run, step } from "./prepare.mjs";

checkTools();
installPackages();

step("Rust: format and lints");
run("cargo", ["fmt", "--all", "--check"]);
run("cargo", ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]);

step("TypeScript: types and lints");
run("npm", ["run", "--silent", "build:ts"]);
run("npm", ["run", "--silent", "build:test"]);
run("npm", ["run", "--silent", "lint"]);

step("The npm package: publint and attw");
run("npx", ["publint", "--strict"]);
run("npx", ["attw", "--pack", "."]);

step("Rust dependencies: bans, licences and sources");
if (spawnSync("cargo", ["deny", "--version"], { stdio: "ignore" }).status !== 0) {
  run("cargo", ["install", "--locked", "--quiet", "cargo-deny"]);
}
run("cargo", ["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]);

step("Rules of the boundary");
const sources = execFileSync("git", ["ls-files", "*.rs"], { cwd: root, encoding: "utf8" })
  .split("\n")
  .filter(Boolean);
const broken = [];
for (const file of sources) {
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  lines.forEach((line, index) => {
    const place = `${file}:${index + 1}`;
    if (
      file.startsWith("src/") &&
      /#\[napi/.test(line) &&
      /async fn/.test(lines.slice(index, index + 4).join(" "))
    ) {
      broken.push(
        `${place}: an exported async fn borrows the native object; return promise::spawn(..)`,
      );
    }
    if (
      file.startsWith("src/") &&
      file !== "src/callback.rs" &&
      /ThreadsafeFunction\b/.test(line)
    ) {
      broken.push(`${place}: ThreadsafeFunction belongs to src/callback.rs`);
    }
    const inCore =
      file.startsWith("crates/byok-core/src/") && !file.startsWith("crates/byok-core/src/http/");
    if (inCore && /reqwest::/.test(line)) broken.push(`${place}: reqwest belongs to src/http`);
  });
}
if (broken.length > 0) fail(broken.join("\n"));
console.log("ok");
