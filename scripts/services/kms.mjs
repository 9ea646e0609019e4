// AWS KMS as `moto` imitates it, from PyPI in a virtual environment of its own: a test tool, never part of what
// is published.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "../prepare.mjs";
import { findProgram, freePort, installDebian, runQuietly, startServer } from "./server.mjs";

const PACKAGE = "moto[kms,server]==5.2.5";
const environment = join(root, "target", "services", "moto");

export const name = "AWS KMS (moto)";
export const variable = "BYOK_TEST_KMS_URL";
export const findRunning = async () => undefined;
export const ways = [["PyPI", start]];

export async function check(url) {
  const response = await fetch(`${url}/moto-api/data.json`);
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  return true;
}

async function start(folder) {
  const command = join(environment, "bin", "moto_server");
  if (!existsSync(command)) install();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const options = { folder, answers: () => check(url) };
  return { url, pid: await startServer(command, ["-H", "127.0.0.1", "-p", String(port)], options) };
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
  runQuietly(pip, ["install", "--quiet", "--disable-pip-version-check", PACKAGE]);
}
