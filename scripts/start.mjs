// npm start: the main job in the terminal, from a fresh clone.

import { prepare, root, run, step } from "./prepare.mjs";

prepare();
const real = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"].some(
  (name) => process.env[name],
);
if (!real) {
  step("Building the practice provider (no provider key is set)");
  run("cargo", ["build", "--quiet", "-p", "byok-practice"]);
}
run(process.execPath, ["examples/main-job.mjs"], { cwd: root });
