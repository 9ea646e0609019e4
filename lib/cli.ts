#!/usr/bin/env node
// The command `byok-ai`: makes master keys and rotates them. Results go to standard output alone, so that
// they can be piped; what is said to people goes to standard error.

import { parseArguments } from "./cli/arguments.js";
import { run } from "./cli/commands.js";
import { EXIT } from "./cli/exit.js";
import { HELP } from "./cli/help.js";
import { Refusal } from "./cli/refusal.js";
import { BYOKError } from "./errors.js";

async function main(argv: string[]): Promise<number> {
  try {
    return await run(parseArguments(argv));
  } catch (error) {
    if (error instanceof Refusal) {
      const help = error.showHelp ? `\n${HELP}` : "";
      process.stderr.write(`${error.message}\n${help}`);
      return error.exitCode;
    }
    process.stderr.write(`${describe(error)}\n`);
    return EXIT.FAILED;
  }
}

/** Without a stack: it says nothing to whoever runs a command. The cause is often the database's own. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = error instanceof BYOKError ? `${error.code}: ` : "";
  const cause = error.cause instanceof Error ? `\n${reason(error.cause)}` : "";
  return `${code}${error.message}${cause}`;
}

/** Node's own connection errors have many messages and show none. */
function reason(cause: Error): string {
  const inner = cause instanceof AggregateError ? cause.errors.map(String).join("; ") : "";
  return `Cause: ${cause.message || inner || cause.name}`;
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
