// The table of error codes is one table, in two languages.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ERROR_CODES } from "../dist/index.js";

test("TypeScript and Rust list the same codes in the same order", () => {
  const source = readFileSync(join(__dirname, "../crates/byok-core/src/error.rs"), "utf8");
  const names = [...source.matchAll(/Code::\w+ => "([A-Z_]+)"/g)].map((match) => match[1]);
  assert.ok(names.length > 20);
  assert.deepEqual([...ERROR_CODES], names);
});
