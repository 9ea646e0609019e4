// The table of error codes is one table, in two languages and in the documentation.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ERROR_CODES } from "../dist/index.js";

const read = (path: string) => readFileSync(join(__dirname, "..", path), "utf8");
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1]);

const rust = read("crates/byok-core/src/error.rs");
const names = all(rust, /Code::\w+ => "([A-Z_]+)"/g);

test("Rust names each of its codes once, in the order of the enumeration", () => {
  const variants = all(rust.split("pub enum Code {")[1]?.split("}")[0] ?? "", /(\w+),/g);
  const listed = all(rust.split("pub const ALL")[1]?.split("];")[0] ?? "", /Code::(\w+),/g);
  const named = all(rust, /Code::(\w+) => "[A-Z_]+"/g);
  assert.ok(variants.length > 20);
  assert.deepEqual(listed, variants);
  assert.deepEqual(named, variants);
  const screaming = variants.map((name) =>
    name?.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(),
  );
  assert.deepEqual(names, screaming);
});

test("TypeScript and Rust list the same codes in the same order", () => {
  assert.deepEqual([...ERROR_CODES], names);
});

test("the type of a code is the list's", () => {
  const declared =
    read("dist/errors.d.ts").split("ERROR_CODES: readonly [")[1]?.split("]")[0] ?? "";
  assert.deepEqual(all(declared, /"([A-Z_]+)"/g), names);
  assert.match(read("dist/errors.d.ts"), /type BYOKErrorCode = \(typeof ERROR_CODES\)\[number\]/);
});

test("the documentation explains each code once, in the same order", () => {
  const rows = read("docs/reference/errors.md").match(/^\| `[A-Z_]+` \|.*$/gm) ?? [];
  assert.deepEqual(
    rows.map((row) => row.split("`")[1]),
    names,
  );
  for (const row of rows) {
    const [, , meaning, remedy] = row.split(" | ").length === 3 ? ["", ...row.split(" | ")] : [];
    assert.ok(
      meaning?.trim() && remedy?.replace("|", "").trim(),
      `${row} needs a meaning and a remedy`,
    );
  }
});

test("what the documentation says of an error's fields is what the class has", () => {
  const table = read("docs/reference/errors.md").match(/^\| `[a-z]\w+` \|/gm) ?? [];
  const documented = table.map((row) => row.split("`")[1] ?? "").filter((name) => name !== "cause");
  const declared =
    read("dist/errors.d.ts").split("class BYOKError")[1]?.split("constructor")[0] ?? "";
  const fields = all(declared, /^\s+readonly (\w+)\??:/gm);
  assert.deepEqual([...documented].sort(), [...fields].sort());
});
