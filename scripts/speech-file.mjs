// Makes a file with real speech: node scripts/speech-file.mjs <file.wav> [text]. The synthesiser,
// espeak-ng, is installed from the system's packages when it is missing.

import { spawnSync } from "node:child_process";

const [, , file, text = "Every key is sealed, and every answer is read to its end."] = process.argv;
if (!file) {
  console.error("Usage: node scripts/speech-file.mjs <file.wav> [text]");
  process.exit(2);
}

/** Runs a program and fails with what it said. */
function run(program, args) {
  const { error, status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr.trim()}`);
}

const isThere = () => spawnSync("espeak-ng", ["--version"]).status === 0;

if (!isThere()) {
  if (process.platform !== "linux")
    throw new Error("Install espeak-ng: this script knows how to on Debian and Ubuntu only.");
  const sudo = process.getuid() === 0 ? [] : ["sudo", "-n"];
  const [apt, ...before] = [...sudo, "apt-get"];
  run(apt, [...before, "update", "--quiet"]);
  run(apt, [...before, "install", "--yes", "--no-install-recommends", "espeak-ng"]);
}
run("espeak-ng", ["-w", file, text]);
