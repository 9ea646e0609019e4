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
nodeTests();
await stopServices();

build({ release: true });
step("Node tests of the package as it ships");
nodeTests("package");

/** The tests of a folder of `__test__`, the compiled ones by the names of their sources: what was compiled
 * from a file that is gone stays out. */
function nodeTests(folder = "") {
  const files = readdirSync(join(root, "__test__", folder))
    .filter((name) => /\.test\.(ts|mjs)$/.test(name))
    .sort()
    .map((name) =>
      name.endsWith(".ts")
        ? join("dist-test", folder, name.replace(/ts$/, "js"))
        : join("__test__", folder, name),
    );
  run(process.execPath, ["--test", "--test-reporter=spec", "--test-timeout=600000", ...files]);
}
