// The release chain on this machine's platform, in a folder of its own, and empty projects that install
// what it packs. Nothing here asks a registry: npm works offline, with an empty cache.

import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const ROOT = join(__dirname, "../..");

export interface Packed {
  /** The tarball's path. */
  path: string;
  /** Bytes. */
  size: number;
  unpackedSize: number;
  /** Paths inside the package, sorted. */
  files: string[];
}

export interface Release {
  /** Holds everything; for projects too. */
  folder: string;
  /** As the napi tools name it: `linux-x64-gnu`. */
  platform: string;
  main: Packed;
  native: Packed;
  /** What is published as package.json. */
  manifest: Manifest;
  remove(): void;
}

export interface Manifest {
  name: string;
  version: string;
  main?: string;
  publishConfig?: { access?: string };
  os?: string[];
  cpu?: string[];
  libc?: string[];
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  napi?: { targets: string[] };
}

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command as in a user's shell: without what `npm test` puts into the environment. */
export function run(
  cwd: string,
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Outcome {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|BYOK_|NODE_)/i.test(name));
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env: { ...Object.fromEntries(own), NO_COLOR: "1", ...env },
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === "win32" && command !== process.execPath,
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

export function runOrThrow(...args: Parameters<typeof run>): string {
  const { status, stdout, stderr } = run(...args);
  if (status !== 0) throw new Error(`${args[1]} ${args[2].join(" ")}\n${stdout}\n${stderr}`);
  return stdout;
}

function napi(cwd: string, ...args: string[]): void {
  const cli = join(ROOT, "node_modules/@napi-rs/cli/dist/cli.js");
  runOrThrow(cwd, process.execPath, [cli, ...args]);
}

/** Makes the folders of the platform packages, as a release does. */
export function makePlatformPackages(folder: string): void {
  const script = join(ROOT, "scripts/platform-packages.mjs");
  runOrThrow(ROOT, process.execPath, [script, folder]);
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** A copy of what the repository publishes, for `napi` and `npm pack` to work on. */
export function stage(folder: string, targets?: string[]): void {
  mkdirSync(folder);
  for (const name of [
    "dist",
    "npm/README.md",
    "index.d.ts",
    "browser.js",
    "README.md",
    "LICENSE",
  ]) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
  const manifest = readManifest(ROOT);
  if (targets && manifest.napi) manifest.napi.targets = targets;
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Packs the main package and the platform package of the addon that was built last. */
export async function makeRelease(): Promise<Release> {
  const { platform, triple } = await builtPlatform();
  const folder = mkdtempSync(join(tmpdir(), "byok-release-"));
  const main = join(folder, "main");
  stage(main, [triple]);
  makePlatformPackages(main);
  const addon = `byok.${platform}.node`;
  mkdirSync(join(main, "artifacts"));
  cpSync(join(ROOT, addon), join(main, "artifacts", addon));
  napi(main, "artifacts");
  napi(main, "prepublish", "-t", "npm", "--skip-optional-publish", "--no-gh-release");
  return {
    folder,
    platform,
    main: pack(main, folder),
    native: pack(join(main, "npm", platform), folder),
    manifest: readManifest(main),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function builtPlatform(): Promise<{ platform: string; triple: string }> {
  const { parseTriple } = await import("@napi-rs/cli");
  const built = readdirSync(ROOT).filter((name) => /^byok\..+\.node$/.test(name));
  for (const triple of readManifest(ROOT).napi?.targets ?? []) {
    const { platformArchABI } = parseTriple(triple);
    if (built.includes(`byok.${platformArchABI}.node`))
      return { platform: platformArchABI, triple };
  }
  throw new Error("The addon is not built: npm run build:release");
}

function pack(folder: string, destination: string): Packed {
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", destination];
  const answer = JSON.parse(runOrThrow(folder, "npm", args)) as
    | PackAnswer[]
    | Record<string, PackAnswer>;
  const [packed] = Object.values(answer);
  if (!packed) throw new Error("npm pack printed no package.");
  return {
    path: join(destination, packed.filename),
    size: packed.size,
    unpackedSize: packed.unpackedSize,
    files: packed.files.map((file) => file.path).sort(),
  };
}

interface PackAnswer {
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string }[];
}

/** An empty project with these packages (tarballs or folders) installed and these files in it. */
export function makeProject(
  release: Release,
  name: string,
  packages: string[],
  files: Record<string, string>,
  flags: string[] = [],
): string {
  const folder = join(release.folder, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true }));
  runOrThrow(folder, "npm", [
    "install",
    "--offline",
    "--no-audit",
    "--no-fund",
    "--install-links",
    `--cache=${join(release.folder, "cache")}`,
    ...flags,
    ...packages,
  ]);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}
