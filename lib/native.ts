// The only place that loads the addon. It knows platform names and what to tell someone whose
// install is incomplete, and nothing else.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A pending request's events; see `NativeBinding`. */
export interface NativeStream {
  /** An envelope of `{ events, result? }`: what is there, or else a promise of what comes next. One
   * call at a time. */
  next(): string | Promise<string>;
  cancel(): void;
}

/** An answer in bytes. One call at a time. */
export interface NativeByteStream {
  /** An envelope of what is known before the first byte. Once, and first. */
  head(): Promise<string>;
  /** All bytes that have arrived; an empty text at the end, an error envelope when it broke off. */
  next(): Promise<Buffer | string>;
  cancel(): void;
}

/** The writing end of an upload; see `upload.ts`. */
export interface NativeUpload {
  readonly id: number;
  /** Copies a piece. True when it was taken, false when nobody reads any more; a promise of an
   * envelope with one of both when there is no room yet. One call at a time. */
  write(piece: Uint8Array): boolean | Promise<string>;
  end(): void;
  fail(message: string): void;
}

/** A running operation. */
export interface NativeTask {
  /** An envelope of `{ done, total? }` once that has changed; an empty text when the work is over. */
  progress(): Promise<string>;
  /** Once only. */
  result(): Promise<{ envelope: string; bytes: Buffer[] }>;
  cancel(): void;
}

export interface NativeStore {
  call(op: string, json: string): Promise<string>;
}

/** What `bridge.ts` makes of a user's store. */
export interface StoreCallbacks {
  /** @param context - what the call was started with; see `contexts.ts` */
  call(op: string, json: string, context?: number): Promise<string>;
  has: string[];
}

/** What the app brings beside its store, as one function each that never throws. */
export interface ServiceCallbacks {
  limiter?: (op: string, json: string, context: number) => Promise<string>;
  usage?: (op: string, json: string) => Promise<string>;
  notice?: (op: string, json: string) => Promise<string>;
}

export interface NativeEngine {
  /** Whether calls from now on say which attempts they made: `attempts` beside the outcome. */
  setTracing(on: boolean): void;
  setMasterKeys(current: Uint8Array | string, previous: (Uint8Array | string)[]): string;
  /** @param context - what callbacks get back; 0 is none */
  call(
    op: string,
    json: string,
    bytes: Uint8Array[] | null,
    callId: number,
    context?: number,
  ): Promise<string>;
  cancel(callId: number): void;
  open(op: string, json: string, bytes: Uint8Array[] | null, context?: number): NativeStream;
  start(op: string, json: string, bytes: Uint8Array[] | null, context?: number): NativeTask;
  openBytes(
    op: string,
    json: string,
    bytes: Uint8Array[] | null,
    context?: number,
  ): NativeByteStream;
  /** @param length - what will be written in all, where that is known */
  upload(length: number | null): NativeUpload;
}

/** What the addon exports. Texts are JSON; answers are envelopes: `{"ok": ...}` or `{"error": ...}`. */
export interface NativeBinding {
  /** Throws an error whose message is an envelope. */
  NativeEngine: new (
    config: string,
    store: NativeStore | null,
    callbacks: StoreCallbacks | null,
    usageStore: NativeStore | null,
    services: ServiceCallbacks | null,
  ) => NativeEngine;
  NativeStore: {
    memory(): NativeStore;
    /** Throws an error whose message is an envelope. */
    sqlite(path: string): NativeStore;
  };
  /** An envelope of base64. */
  generateMasterKey(): string;
  version(): string;
}

let loaded: NativeBinding | undefined;

/** The addon, loaded on first use so that importing the package never fails. */
export function native(): NativeBinding {
  loaded ??= load();
  return loaded;
}

/** This package's version. */
export function packageVersion(): string {
  const manifest = readFileSync(join(__dirname, "..", "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

const SUPPORTED = [
  "linux-x64-gnu",
  "linux-arm64-gnu",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
  "win32-x64-msvc",
  "win32-arm64-msvc",
];

function load(): NativeBinding {
  const platform = platformName();
  if (!SUPPORTED.includes(platform)) {
    throw new Error(
      `byok-ai has no native binary for ${platform}. It runs on: ${SUPPORTED.join(", ")}.`,
    );
  }
  const ownBuild = join(__dirname, "..", `byok.${platform}.node`);
  const binding: NativeBinding = existsSync(ownBuild)
    ? require(ownBuild)
    : requirePlatformPackage(platform);
  const [ours, theirs] = [packageVersion(), binding.version()];
  if (ours !== theirs) {
    throw new Error(
      `byok-ai ${ours} found a native binary of version ${theirs}. Both must be of one version: ` +
        `run \`npm install byok-ai@${ours}\`${existsSync(ownBuild) ? ", or `npm run build` in a clone" : ""}.`,
    );
  }
  return binding;
}

/** Literal names inside `try`, so that bundlers and file tracers see them and allow their absence. */
function requirePlatformPackage(platform: string): NativeBinding {
  try {
    switch (platform) {
      case "linux-x64-gnu":
        return require("@byok-ai/native-linux-x64-gnu");
      case "linux-arm64-gnu":
        return require("@byok-ai/native-linux-arm64-gnu");
      case "linux-x64-musl":
        return require("@byok-ai/native-linux-x64-musl");
      case "linux-arm64-musl":
        return require("@byok-ai/native-linux-arm64-musl");
      case "darwin-x64":
        return require("@byok-ai/native-darwin-x64");
      case "darwin-arm64":
        return require("@byok-ai/native-darwin-arm64");
      case "win32-x64-msvc":
        return require("@byok-ai/native-win32-x64-msvc");
      default:
        return require("@byok-ai/native-win32-arm64-msvc");
    }
  } catch (cause) {
    const name = `@byok-ai/native-${platform}`;
    if ((cause as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") {
      throw new Error(
        `The native part of byok-ai is not installed: ${name} is missing. It is an optional dependency, ` +
          "so run `npm install` without --omit=optional (or --no-optional). If node_modules was copied " +
          "from another platform, or the lockfile was made on one, delete both and install again.",
        { cause },
      );
    }
    throw new Error(
      `The native part of byok-ai (${name}) could not be loaded. Install it again; if that does not ` +
        "help, the system may lack a library that the cause names.",
      { cause },
    );
  }
}

/** As the napi tools name platforms: `linux-x64-gnu`, `darwin-arm64`, `win32-x64-msvc`. */
function platformName(): string {
  const { platform, arch } = process;
  if (platform === "win32") return `win32-${arch}-msvc`;
  if (platform !== "linux") return `${platform}-${arch}`;
  return `linux-${arch}-${isMusl() ? "musl" : "gnu"}`;
}

/** `ldd` is a script that names its libc; images without it still have Node's report. */
function isMusl(): boolean {
  try {
    return readFileSync("/usr/bin/ldd", "latin1").includes("musl");
  } catch {
    const report = process.report?.getReport() as
      | { header?: { glibcVersionRuntime?: string } }
      | undefined;
    return report?.header !== undefined && report.header.glibcVersionRuntime === undefined;
  }
}
