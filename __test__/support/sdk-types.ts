// Captured bodies as TypeScript that checks them against the request types of the official SDKs.

import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TargetName } from "./wire-targets.js";

export interface Body {
  name: string;
  body: { [field: string]: unknown };
}

const ROOT = join(__dirname, "../..");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

/** The module of one target: what it imports, the type, and fields that the type can't know. */
export interface Module {
  head: string;
  type: string;
  without?: readonly string[];
}

/** Stands in a body for a file, which JSON can't write. */
export const FILE = "@file@";

const MODULES: Partial<Record<TargetName, Module>> = {
  "openai-responses": {
    head: 'import type OpenAI from "openai";',
    type: "OpenAI.Responses.ResponseCreateParams",
  },
  "openai-chat": {
    head: 'import type OpenAI from "openai";',
    type: "OpenAI.Chat.ChatCompletionCreateParams",
  },
  anthropic: {
    head: 'import type Anthropic from "@anthropic-ai/sdk";',
    type: "Anthropic.MessageCreateParams",
    // The SDK speaks a newer API version, whose requests have lost these; the version that is sent,
    // 2023-06-01, has them.
    without: ["temperature", "top_p", "top_k"],
  },
  // The SDK has no type of a whole body, only of its fields, and enums where the wire has their texts.
  gemini: {
    head: `import type { Content, GenerationConfig, Tool, ToolConfig } from "@google/genai";
type Wire<T> = T extends string ? \`\${T}\` : T extends object ? { [K in keyof T]: Wire<T[K]> } : T;
type Request = Wire<{
  contents: Content[];
  systemInstruction?: Content;
  tools?: Tool[];
  toolConfig?: ToolConfig;
  generationConfig?: GenerationConfig;
  cachedContent?: string;
}>;`,
    type: "Request",
  },
};

export const TYPED = Object.keys(MODULES) as TargetName[];

/** Compiles the bodies; the compiler's complaints, empty when every body is of its type. */
export function typeErrors(
  target: TargetName,
  bodies: readonly Body[],
  folderName: string,
): string {
  const module = MODULES[target];
  if (!module) throw new Error(`There are no types for ${target}.`);
  return typeErrorsOf(module, bodies, folderName);
}

/** The same for a module that is not in the list. */
export function typeErrorsOf(module: Module, bodies: readonly Body[], folderName: string): string {
  const lines = bodies.map(({ name, body }) => {
    const kept = { ...body };
    for (const field of module.without ?? []) delete kept[field];
    const text = JSON.stringify(kept, null, 2).replaceAll(`"${FILE}"`, 'new File([], "a.wav")');
    return `// ${name}\n(${text}) satisfies ${module.type};\n`;
  });
  const folder = join(ROOT, "dist-test/wire-types", folderName);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "bodies.mts"), `${module.head}\n\n${lines.join("\n")}`);
  const compilerOptions = {
    module: "nodenext",
    target: "es2023",
    lib: ["es2023", "dom", "dom.iterable"],
    types: ["node"],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["bodies.mts"] }),
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [TSC, "-p", folder], {
    encoding: "utf8",
  });
  if (status === 0) return "";
  return stdout + stderr || `The compiler ended with ${status}.`;
}
