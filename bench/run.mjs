// npm run bench: byok-ai against what people use or write instead, on this machine against the practice
// provider. It measures and reports; it asserts nothing. See README.md for the options.

import { execFile, execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

import { startPractice } from "../scripts/practice.mjs";
import { prepare, run, step } from "../scripts/prepare.mjs";
import { report, TITLES } from "./report.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const CLIENT_CORE = "0";
const SERVER_CORE = "1";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    "memory-seconds": { type: "string", default: "10" },
    contestants: { type: "string", default: Object.keys(TITLES).join(",") },
    "no-build": { type: "boolean", default: false },
  },
});

if (!options["no-build"]) {
  prepare({ release: true });
  run("cargo", ["build", "--quiet", "--release", "-p", "byok-practice"]);
}
if (!existsSync(join(here, "node_modules", ".package-lock.json"))) {
  step("Installing the clients to compare with");
  run("npm", ["install", "--no-save", "--no-fund", "--no-audit", "--loglevel=error"], {
    cwd: here,
  });
}

// byok-ai and undici are always in: the ratios need both.
const names = Object.keys(TITLES).filter(
  (name) => ["byok-ai", "undici"].includes(name) || options.contestants.split(",").includes(name),
);
const pinned = cpus().length > 1 && spawnSync("taskset", ["-V"]).status === 0;
const server = await startPractice({ release: true, args: ["--no-record"] });
if (pinned)
  execFileSync("taskset", ["-a", "-p", "-c", SERVER_CORE, String(server.pid)], { stdio: "ignore" });

const results = Object.fromEntries(
  names.map((name) => [name, { chat: [], stream: [], each: [], memory: [] }]),
);
const rounds = Number(options.rounds);
for (let round = 1; round <= rounds; round++) {
  step(`Round ${round} of ${rounds}`);
  for (const job of ["chat", "stream", "each"]) await measureAll(job, Number(options.seconds));
}
step("Memory at 500 calls/s");
await measureAll("memory", Number(options["memory-seconds"]));
await server.stop();

const place = pinned ? "client and server on one core each" : "without pinned cores";
console.log(`\nNode.js ${process.versions.node}, ${place}, medians of ${rounds} rounds\n`);
console.log(report(results));

/** One contestant after the other, so that what changes on the machine meets all of them. */
async function measureAll(job, seconds) {
  for (const contestant of names) {
    const measured = await measure({ contestant, job, origin: server.origin, seconds });
    results[contestant][job].push(measured);
    const shown = Object.entries(measured).map(([field, value]) => `${field} ${value.toFixed(1)}`);
    console.log(`${job.padEnd(7)} ${TITLES[contestant].padEnd(15)} ${shown.join("  ")}`);
  }
}

async function measure(task) {
  const command = [process.execPath, join(here, "measure.mjs"), JSON.stringify(task)];
  if (pinned) command.unshift("taskset", "-c", CLIENT_CORE);
  const { stdout } = await promisify(execFile)(command[0], command.slice(1), {
    env: { ...process.env, NODE_ENV: "production", AI_SDK_LOG_WARNINGS: "false" },
  });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}
