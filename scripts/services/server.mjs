// What the services have in common: finding programs, free ports, starting a server in the background and
// waiting until it answers, and installing packages of the system.

import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";

const START_TIMEOUT_MS = 60_000;

export const isRoot = process.getuid?.() === 0;

/** The path of a program in PATH or one of `folders`; undefined when it is in none. */
export function findProgram(name, folders = []) {
  const all = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", ...folders];
  return all.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program to its end, quietly; throws with what it printed when it fails. */
export function runQuietly(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", ...options });
  if (result.error) throw new Error(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    const said = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-8).join("\n");
    throw new Error(`${[command, ...args].join(" ")} failed (${result.status}):\n${said}`);
  }
  return result.stdout;
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a server that outlives this process, waits until `answers` resolves, and gives its process id.
 * Throws with the end of its log when it does not come up. */
export async function startServer(command, args, { folder, answers, ...options }) {
  const log = join(folder, "server.log");
  const output = openSync(log, "a");
  const child = spawn(command, args, {
    cwd: folder,
    detached: true,
    stdio: ["ignore", output, output],
    ...options,
  });
  let ended;
  child.on("exit", (code, signal) => {
    ended = `it ended with ${signal ?? `exit code ${code}`}`;
  });
  child.on("error", (error) => {
    ended = error.message;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  let reason = "";
  while (ended === undefined && Date.now() < deadline) {
    try {
      await answers();
      child.unref();
      return child.pid;
    } catch (error) {
      reason = error.message;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  if (ended === undefined) child.kill("SIGKILL");
  const lines = readFileSync(log, "utf8").trim().split("\n").slice(-8).join("\n");
  throw new Error(`${command} did not come up: ${ended ?? reason}\n${lines}`);
}

/** Installs Debian's packages; throws where that can't be done. */
export function installDebian(packages) {
  if (!isRoot || findProgram("apt-get") === undefined) {
    throw new Error(
      `${packages.join(", ")} can be installed automatically on Debian as root only; install it yourself.`,
    );
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  runQuietly("apt-get", ["update", "-qq"], { env });
  runQuietly("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { env });
}
