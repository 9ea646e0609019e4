// The command line, parsed and checked. Keys are never taken from it: it ends up in process lists and
// shell histories.

import { parseArgs } from "node:util";
import { nearest } from "../suggest.js";
import { EXIT } from "./exit.js";
import { Refusal } from "./refusal.js";

export const COMMANDS = ["keygen", "status", "verify", "rewrap"] as const;
export type Command = (typeof COMMANDS)[number];

export interface Arguments {
  command: Command | "help" | "version";
  /** A path or a URL; absent when the environment names it. */
  store?: string | undefined;
  keyFile?: string | undefined;
  table?: string | undefined;
  batchSize?: number | undefined;
  concurrency?: number | undefined;
  singleWriter: boolean;
  json: boolean;
  quiet: boolean;
}

const OPTIONS = {
  "key-file": { type: "string" },
  table: { type: "string" },
  "batch-size": { type: "string" },
  concurrency: { type: "string" },
  "single-writer": { type: "boolean" },
  json: { type: "boolean" },
  quiet: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

/** @throws Refusal with exit code 2 */
export function parseArguments(argv: string[]): Arguments {
  refuseKeys(argv);
  const { values, positionals } = parsed(argv);
  const [command, store, ...more] = positionals;
  const common = {
    singleWriter: values["single-writer"] ?? false,
    json: values.json ?? false,
    quiet: values.quiet ?? false,
  };
  if (values.help || command === "help") return { command: "help", ...common };
  if (values.version) return { command: "version", ...common };
  if (command === undefined) throw new Refusal("Give a command.", EXIT.USAGE, true);
  if (!isCommand(command)) {
    const guess = nearest(command, COMMANDS);
    const advice = guess === undefined ? "" : ` Did you mean ${guess}?`;
    throw new Refusal(`There is no command ${command}.${advice}`, EXIT.USAGE, true);
  }
  const extra = command === "keygen" ? store : more[0];
  if (extra !== undefined) {
    throw new Refusal(`${command} does not take ${JSON.stringify(extra)}.`, EXIT.USAGE, true);
  }
  if (common.singleWriter && command !== "rewrap") {
    throw new Refusal("--single-writer belongs to rewrap.");
  }
  return {
    command,
    store,
    keyFile: values["key-file"],
    table: values.table,
    batchSize: number(values["batch-size"], "--batch-size"),
    concurrency: number(values.concurrency, "--concurrency"),
    ...common,
  };
}

function parsed(argv: string[]) {
  try {
    return parseArgs({ args: argv, options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    const message = error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error);
    throw new Refusal(`${message}.`, EXIT.USAGE, true);
  }
}

function refuseKeys(argv: string[]): void {
  const named = argv.find((each) => /^--?(master-?|previous-?)?keys?(=|$)/i.test(each));
  if (named === undefined) return;
  throw new Refusal(
    `${named.split("=")[0]} is not an option: whatever stands on a command line is visible to every user of this ` +
      "machine, and stays in the shell's history. Set BYOK_MASTER_KEY, or give --key-file.",
  );
}

function isCommand(text: string): text is Command {
  return (COMMANDS as readonly string[]).includes(text);
}

function number(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Refusal(`${option} takes a whole number of at least 1.`);
  }
  return value;
}
