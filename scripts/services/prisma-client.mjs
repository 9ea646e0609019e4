// Makes the Prisma client of the model that docs/stores.md says to paste, for tests, without any download:
//
//   node scripts/services/prisma-client.mjs <folder>     -> <folder>/client/client.js

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { root } from "../prepare.mjs";
import { runQuietly } from "./server.mjs";

const folder = resolve(process.argv[2]);
const schema = join(folder, "schema.prisma");
const model = /```prisma\n(model ByokKey [^`]+)```/.exec(
  readFileSync(join(root, "docs", "stores.md"), "utf8"),
)?.[1];
if (model === undefined) throw new Error("docs/stores.md has no model ByokKey.");

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
writeFileSync(
  schema,
  `generator client {
  provider            = "prisma-client"
  output              = "./source"
  moduleFormat        = "cjs"
  importFileExtension = "js"
}

datasource db {
  provider = "postgresql"
}

${model}`,
);

// The generator looks for an engine that it never starts, and would download it.
const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: schema, CHECKPOINT_DISABLE: "1" };
const program = (name, ...path) => [join(root, "node_modules", name, ...path)];
const [prisma] = program("prisma", "build", "index.js");
runQuietly(process.execPath, [prisma, "generate", "--schema", schema], { cwd: root, env });

// The generated types must fit the store's.
const store = JSON.stringify(join(root, "dist", "stores", "prisma.js"));
writeFileSync(
  join(folder, "source", "usage.ts"),
  `import { PrismaStore } from ${store};
import type { PrismaClient } from "./client.js";

export const storeOver = (prisma: PrismaClient) => new PrismaStore(prisma.byokKey);
`,
);

const options = {
  ...{ module: "nodenext", target: "es2023", strict: true, skipLibCheck: true, types: ["node"] },
  ...{ rootDir: "source", outDir: "client", typeRoots: [join(root, "node_modules", "@types")] },
};
writeFileSync(join(folder, "package.json"), '{ "type": "commonjs" }');
writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({ compilerOptions: options, include: ["source"] }),
);
const [tsc] = program("typescript", "bin", "tsc");
runQuietly(process.execPath, [tsc, "-p", folder], { cwd: root });
