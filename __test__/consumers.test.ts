// Applications in strict TypeScript: the public types accept what the documentation shows and refuse
// mistakes, under both ways in which TypeScript finds packages, with and without the DOM's types.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(__dirname, "..");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

for (const project of ["tsconfig.json", "tsconfig.bundler.json"]) {
  test(`applications compile with ${project}`, () => {
    const path = join(ROOT, "__test__/consumers", project);
    const { status, stdout } = spawnSync(process.execPath, [TSC, "-p", path], { encoding: "utf8" });
    assert.equal(status, 0, stdout);
  });
}

test("named exports are seen by ESM", async () => {
  const script = `
    import * as imported from "byok-ai";
    import { createRequire } from "node:module";
    const required = createRequire(process.cwd() + "/x.js")("byok-ai");
    const other = Object.keys(required).filter((name) => imported[name] !== required[name]);
    console.log(Object.keys(required).includes("BYOK"), other.join());
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.equal(stdout, "true \n", stderr);
});
