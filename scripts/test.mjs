// npm test: everything, from a fresh clone. Debug builds first (fast feedback), then a release build for
// what is promised of the package as it ships.

import { readdirSync } from "node:fs";
import { join } from "node:path";

import { build, checkTools, installPackages, root, run, step } from "./prepare.mjs";
import { startServices, stopServices } from "./services.mjs";

checkTools();
installPackages();

step("Rust tests");
run("cargo", ["test", "--workspace", "--quiet"]);
run("cargo", ["build", "--quiet", "-p", "byok-practice", "--bins"]);
run("cargo", ["build", "--quiet", "-p", "byok-vault", "--examples"]);

build();
run("npm", ["run", "--silent", "build:test"]);
await startServices();
// `run` ends this process when a command fails; what was started stays then, for a look at it.
step("Node tests on the debug build");
nodeTests("dist-test", "__test__");
await stopServices();

build({ release: true });
step("Node tests of the package as it ships");
nodeTests("dist-test/package");

function nodeTests(...folders) {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => /\.test\.(js|mjs)$/.test(name))
      .sort()
      .map((name) => join(folder, name)),
  );
  run(process.execPath, ["--test", "--test-reporter=spec", "--test-timeout=600000", ...files]);
}
