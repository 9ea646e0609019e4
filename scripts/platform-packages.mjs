// npm run platform-packages: a folder in npm/ for each target's binary, with what belongs beside it. The
// binaries come later, by `napi artifacts`.

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { parseTriple } from "@napi-rs/cli";

import { root, run } from "./prepare.mjs";

const folder = resolve(process.argv[2] ?? root);
run(process.execPath, [join(root, "node_modules/@napi-rs/cli/dist/cli.js"), "create-npm-dirs"], {
  cwd: folder,
});

const { name, napi } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
for (const triple of napi.targets) {
  const { platformArchABI } = parseTriple(triple);
  const made = join(folder, "npm", platformArchABI);
  copyFileSync(join(folder, "LICENSE"), join(made, "LICENSE"));
  writeFileSync(
    join(made, "README.md"),
    `# ${napi.packageName}-${platformArchABI}

The native part of [${name}](https://www.npmjs.com/package/${name}) for ${triple}. Install \`${name}\`: it brings this
package where it fits.
`,
  );
}
