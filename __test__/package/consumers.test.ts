// Applications that installed the packages: what the documentation shows first, to the letter, in every
// way in which Node and TypeScript load a package.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { makeProject, makeRelease, type Release, ROOT, run, runOrThrow } from "./release.js";

const FIRST_BLOCK = `import { BYOK, MemoryStore } from "byok-ai";

const byok = new BYOK({
  masterKey: process.env.BYOK_MASTER_KEY,   // string | undefined must compile; undefined is a clear error
  store: new MemoryStore(),
});
await byok.registerKey({ userId: "user_123", provider: "openai", apiKey: "USER_PROVIDED_API_KEY" });
const response = await byok.use("user_123").chat({ prompt: "What is the capital of France?" });
console.log(response.text);
`;

const ANSWER = "Paris. (This is the byok-ai practice provider, not a model.)\n";

const IMPORT = /^import (.+) from ("byok-ai");$/m;
const COMMONJS_BLOCK = `${FIRST_BLOCK.replace(IMPORT, "const $1 = require($2);\n(async () => {")}})();\n`;
const SQLITE_BLOCK = FIRST_BLOCK.replace("MemoryStore", "SqliteStore").replace(
  "new MemoryStore()",
  'new SqliteStore("keys.sqlite")',
);
const AFTER_RESTART = SQLITE_BLOCK.replace(/^await byok\.registerKey.*\n/m, "");

// Adds options to every `new BYOK(...)` of the process, so that the application's text stays as it is.
// The package's exports are read-only; those of the class's own module are not.
const PRELUDE = `
const path = require("node:path");
require("byok-ai");
const own = require.cache[path.join(path.dirname(require.resolve("byok-ai")), "byok.js")];
own.exports.BYOK = class BYOK extends own.exports.BYOK {
  constructor(options) {
    super({ ...options, ...JSON.parse(process.env.TEST_OPTIONS) });
  }
};
`;

const TESTING = `import assert from "node:assert/strict";
import { type KeyStore, MemoryStore } from "byok-ai";
import { type StoreCase, storeConformance } from "byok-ai/testing";

const create = (): KeyStore => new MemoryStore();
const cases: StoreCase[] = storeConformance({ name: "MemoryStore", create, requires: ["replace", "scan"] });
assert.ok(cases.length > 10);
for (const { run } of cases) await run();
console.log("conforms");
`;

const consumers = join(ROOT, "__test__/consumers");
const fixture = (name: string) => readFileSync(join(consumers, name), "utf8");

/** What the README shows first. */
function readmeBlock(): string {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const block = /```ts\n(.+?)```/s.exec(readme)?.[1] ?? "";
  assert.match(block, /new BYOK\(/);
  return block;
}

let release: Release;
let practice: { origin: string; stop(): Promise<void> };
let project: string;
let env: Record<string, string>;

before(async () => {
  release = await makeRelease();
  const script = pathToFileURL(join(ROOT, "scripts/practice.mjs")).href;
  const { startPractice } = await import(script);
  practice = await startPractice({ args: ["--key", "USER_PROVIDED_API_KEY"] });
  const types = ["@types/node", "undici-types"].map((name) => join(ROOT, "node_modules", name));
  project = makeProject(release, "app", [release.main.path, release.native.path, ...types], {
    "prelude.cjs": PRELUDE,
    "commonjs.cjs": COMMONJS_BLOCK,
    "esm.mjs": FIRST_BLOCK,
    "sqlite.mjs": SQLITE_BLOCK,
    "after-restart.mjs": AFTER_RESTART,
    "tsconfig.json": fixture("tsconfig.json"),
    "tsconfig.bundler.json": fixture("tsconfig.bundler.json"),
    "first-block.mts": FIRST_BLOCK,
    "readme.mts": readmeBlock(),
    "testing.mts": TESTING,
    "types.cts": fixture("types.cts"),
  });
  env = { BYOK_MASTER_KEY: npx("keygen").trim() };
});
after(async () => {
  await practice?.stop();
  release?.remove();
});

function npx(...args: string[]): string {
  return runOrThrow(project, "npx", ["--offline", "byok-ai", ...args]);
}

/** Runs an application whose library has these options besides its own. */
function app(file: string, options: object, variables = env) {
  const args = ["--require", "./prelude.cjs", file];
  return run(project, process.execPath, args, {
    ...variables,
    TEST_OPTIONS: JSON.stringify(options),
  });
}

/** Runs an application against the practice provider. */
function answerOf(file: string): string {
  const openai = { baseURL: `${practice.origin}/openai/v1`, allowPrivateNetwork: true };
  const { status, stdout, stderr } = app(file, { providers: { openai } });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  return stdout;
}

test("the first block runs to the letter as an ES module", () => {
  assert.equal(answerOf("esm.mjs"), ANSWER);
});

test("the first block runs in CommonJS", () => {
  assert.equal(answerOf("commonjs.cjs"), ANSWER);
});

for (const [resolution, config] of [
  ["nodenext", "tsconfig.json"],
  ["bundler", "tsconfig.bundler.json"],
] as const) {
  test(`strict TypeScript with ${resolution} resolution compiles the first blocks to the letter, and they run`, () => {
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const out = `out-${resolution}`;
    const args = [tsc, "-p", config, "--noEmit", "false", "--outDir", out];
    const { status, stdout } = run(project, process.execPath, args);
    assert.equal(status, 0, stdout);
    assert.equal(answerOf(`${out}/first-block.mjs`), ANSWER);
    // By itself: the suite has providers of its own.
    const suite = run(project, process.execPath, [`${out}/testing.mjs`]);
    assert.deepEqual([suite.stdout, suite.status], ["conforms\n", 0], suite.stderr);
  });
}

test("a key in a SqliteStore is there after a restart, and its file does not show it", () => {
  assert.equal(answerOf("sqlite.mjs"), ANSWER);
  const files = readdirSync(project).filter((name) => name.startsWith("keys.sqlite"));
  assert.ok(files.length > 0);
  for (const file of files) {
    assert.ok(!readFileSync(join(project, file), "latin1").includes("USER_PROVIDED_API_KEY"), file);
  }
  assert.equal(answerOf("after-restart.mjs"), ANSWER);
});

test("without a network the first block ends in PROVIDER_UNAVAILABLE and shows no key", () => {
  // Nothing listens on the discard port of the loopback address.
  for (const file of ["esm.mjs", "commonjs.cjs"]) {
    const { status, stdout, stderr } = app(file, { http: { proxy: "http://127.0.0.1:9" } });
    assert.equal(status, 1, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /code: 'PROVIDER_UNAVAILABLE'/);
    assert.match(stderr, /connection was refused/);
    assert.ok(!stderr.includes("USER_PROVIDED_API_KEY"), stderr);
  }
});

test("without a master key the first block says which command makes one", () => {
  const { status, stderr } = run(project, process.execPath, ["esm.mjs"]);
  assert.equal(status, 1);
  assert.match(stderr, /code: 'INVALID_MASTER_KEY'/);
  assert.match(stderr, /npx byok-ai keygen/);
});

test("import and require give the same classes", () => {
  const script = `
    import * as imported from "byok-ai";
    import { createRequire } from "node:module";
    const required = createRequire(import.meta.url)("byok-ai");
    for (const name of Object.keys(required)) if (imported[name] !== required[name]) throw new Error(name);
    console.log(Object.keys(required).includes("BYOK"), imported.default === required);
  `;
  const args = ["--input-type=module", "--eval", script];
  assert.equal(runOrThrow(project, process.execPath, args), "true true\n");
});

test("npx byok-ai keygen prints 32 random bytes as base64, others each time", () => {
  const [first, second] = [npx("keygen"), npx("keygen")];
  assert.match(first, /^[A-Za-z0-9+/]{43}=\n$/);
  assert.equal(Buffer.from(first, "base64").length, 32);
  assert.notEqual(first, second);
  assert.equal(npx("--version"), `${release.manifest.version}\n`);
});

test("bundles for browsers and edge runtimes are told where the package belongs", () => {
  for (const condition of ["browser", "edge-light", "workerd"]) {
    for (const script of ['require("byok-ai")', 'import("byok-ai")']) {
      const args = [`--conditions=${condition}`, "--eval", script];
      const { status, stderr } = run(project, process.execPath, args);
      assert.equal(status, 1);
      assert.match(stderr, /byok-ai runs on Node\.js servers only/, `${condition}: ${script}`);
    }
  }
});

test("paths that are not part of the interface can't be imported", () => {
  const { stderr } = run(project, process.execPath, [
    "--eval",
    'require("byok-ai/dist/native.js")',
  ]);
  assert.match(stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
});

test("an install without the platform package says what is missing and how to get it", () => {
  const files = { "esm.mjs": FIRST_BLOCK };
  const bare = makeProject(release, "bare", [release.main.path], files, ["--omit=optional"]);
  const { status, stderr } = run(bare, process.execPath, ["esm.mjs"], env);
  assert.equal(status, 1);
  assert.match(stderr, new RegExp(`@byok-ai/native-${release.platform} is missing`));
  assert.match(stderr, /run `npm install` without --omit=optional/);
});
