#!/usr/bin/env node
// The command `byok-ai`: makes a master key. Keys go to standard output alone, so that they can be
// piped into a secret manager; what is said to people goes to standard error.

import { decodeEnvelope } from "./errors.js";
import { native, packageVersion } from "./native.js";

const HELP = `Usage: byok-ai <command>

Commands:
  keygen       print a new master key: 32 random bytes as base64

Options:
  --help       print this text
  --version    print the version

Example:
  echo "BYOK_MASTER_KEY=$(npx byok-ai keygen)" >> .env
`;

const HINT = `
Keep this key with your other secrets, for example as the environment variable BYOK_MASTER_KEY.
Whoever has it can open every stored key; without it, none can be opened again.
`;

function main(args: string[]): number {
  const [command, ...rest] = args;
  if (command === "--help" || command === "-h" || command === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  if (command === "--version" || command === "-v") {
    process.stdout.write(`${packageVersion()}\n`);
    return 0;
  }
  if (command === "keygen" && rest.length === 0) {
    process.stdout.write(`${decodeEnvelope<string>(native().generateMasterKey())}\n`);
    if (process.stdout.isTTY) process.stderr.write(HINT);
    return 0;
  }
  const problem = command === undefined ? "" : `Unknown command: ${args.join(" ")}\n\n`;
  process.stderr.write(`${problem}${HELP}`);
  return 2;
}

process.exitCode = main(process.argv.slice(2));
