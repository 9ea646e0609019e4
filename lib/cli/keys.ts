// The master keys, from the environment or from a file.

import { readFileSync, statSync } from "node:fs";
import { Refusal } from "./refusal.js";

export interface Keys {
  current: string;
  previous: string[];
}

const CURRENT = "BYOK_MASTER_KEY";
const PREVIOUS = "BYOK_MASTER_KEY_PREVIOUS";
const STANDARD_INPUT = 0;

/** @throws Refusal when there is no current key */
export function readKeys(keyFile: string | undefined): Keys {
  const [current, ...previous] = keyFile === undefined ? fromEnvironment() : fromFile(keyFile);
  if (current === undefined) {
    throw new Refusal(
      keyFile === undefined
        ? `There is no master key: set ${CURRENT}, and ${PREVIOUS} for previous ones, or give --key-file. ` +
            "`byok-ai keygen` makes one."
        : `There is no key in ${keyFile}: write one key a line, the current one first.`,
    );
  }
  return { current, previous };
}

/** Unset variables are left out, so that a deployment may set them to nothing. */
function fromEnvironment(): string[] {
  const current = process.env[CURRENT]?.trim();
  const previous = (process.env[PREVIOUS] ?? "").split(/[\s,]+/);
  if (!current) return [];
  return [current, ...previous].filter((key) => key !== "");
}

function fromFile(path: string): string[] {
  const text = path === "-" ? readFileSync(STANDARD_INPUT, "utf8") : readPrivately(path);
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

function readPrivately(path: string): string {
  try {
    const readableByOthers = process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0;
    if (readableByOthers) {
      process.stderr.write(`${path} is readable by others: chmod 600 ${path}\n`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Refusal(`The key file can't be read: ${(error as Error).message}.`);
  }
}
