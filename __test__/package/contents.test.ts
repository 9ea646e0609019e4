// What is in the packages that are published, and how large they are.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import {
  makePlatformPackages,
  makeRelease,
  type Release,
  ROOT,
  readManifest,
  stage,
} from "./release.js";

const KIB = 1024;
let release: Release;

before(async () => {
  release = await makeRelease();
});
after(() => release?.remove());

test("the main package holds compiled code, its types and the documents, and nothing else", () => {
  const { files } = release.main;
  const documents = ["LICENSE", "README.md", "browser.js", "index.d.ts", "package.json"];
  assert.deepEqual(
    files.filter((file) => !file.startsWith("dist/")),
    documents,
  );
  for (const file of files.filter((file) => file.startsWith("dist/"))) {
    assert.match(file, /\.(js|d\.ts)$/);
    const source = join(ROOT, file.replace(/^dist/, "lib").replace(/(\.d\.ts|\.js)$/, ".ts"));
    assert.ok(existsSync(source), `${file} is left over from a source that is gone`);
  }
});

test("everything that package.json points to is in the main package", () => {
  const paths = JSON.stringify(release.manifest).match(/(?:\.\/)?dist\/[\w./-]+\.(?:d\.ts|js)/g);
  assert.ok(paths && paths.length >= 4);
  for (const path of paths) assert.ok(release.main.files.includes(path.replace("./", "")), path);
});

test("the main package is small and brings no dependency but its own binaries", () => {
  const { main, manifest, platform } = release;
  assert.ok(main.size < 240 * KIB, `${main.size} bytes packed`);
  assert.ok(main.unpackedSize < 800 * KIB, `${main.unpackedSize} bytes unpacked`);
  assert.equal(manifest.dependencies, undefined);
  assert.deepEqual(manifest.optionalDependencies, {
    [`@byok-ai/native-${platform}`]: manifest.version,
  });
});

test("nothing runs when the packages are installed", () => {
  for (const manifest of [
    release.manifest,
    readManifest(join(release.folder, "main/npm", release.platform)),
  ]) {
    const scripts = Object.keys(manifest.scripts ?? {});
    const atInstall = /^(pre|post)?(install|prepare)$/;
    assert.deepEqual(
      scripts.filter((name) => atInstall.test(name)),
      [],
    );
  }
});

test("the platform package holds the binary and the licence and stays under 12 MiB unpacked", () => {
  const { native, platform } = release;
  assert.deepEqual(native.files, ["LICENSE", "README.md", `byok.${platform}.node`, "package.json"]);
  assert.ok(native.unpackedSize < 12 * KIB * KIB, `${native.unpackedSize} bytes unpacked`);
});

test("there is a platform package for each platform that the loader knows", (t) => {
  const parent = mkdtempSync(join(tmpdir(), "byok-platforms-"));
  t.after(() => rmSync(parent, { recursive: true }));
  const folder = join(parent, "main");
  stage(folder);
  makePlatformPackages(folder);
  const made = readdirSync(join(folder, "npm")).filter((name) => name !== "README.md");
  const loader = readFileSync(join(ROOT, "lib/native.ts"), "utf8");
  const required = [...loader.matchAll(/require\("@byok-ai\/native-([\w-]+)"\)/g)];
  assert.deepEqual(made.sort(), required.map(([, platform]) => platform).sort());

  for (const platform of made) {
    const manifest = readManifest(join(folder, "npm", platform));
    const [os, cpu, abi] = platform.split("-");
    assert.equal(manifest.name, `@byok-ai/native-${platform}`);
    assert.equal(manifest.version, readManifest(ROOT).version);
    assert.equal(manifest.main, `byok.${platform}.node`);
    assert.deepEqual([manifest.os, manifest.cpu], [[os], [cpu]]);
    // npm publishes a scoped package privately unless it is told otherwise.
    assert.equal(manifest.publishConfig?.access, "public");
    const libc = os === "linux" ? [abi === "gnu" ? "glibc" : abi] : undefined;
    assert.deepEqual(manifest.libc, libc);
  }
});
