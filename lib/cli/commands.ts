// The commands: each reads what it needs, works, prints, and says how it ended.

import { BYOK } from "../byok.js";
import { AbortError, decodeEnvelope } from "../errors.js";
import { native, packageVersion } from "../native.js";
import type { KeyReport, RewrapReport } from "../types.js";
import type { Arguments } from "./arguments.js";
import { EXIT } from "./exit.js";
import { HELP } from "./help.js";
import { readKeys } from "./keys.js";
import { Meter } from "./meter.js";
import { keyReport, rewrapReport } from "./report.js";
import { openStore } from "./store.js";

const KEYGEN_HINT = `
Keep this key with your other secrets, for example as the environment variable BYOK_MASTER_KEY.
Whoever has it can open every stored key; without it, none can be opened again.
`;

/** @returns the exit code */
export async function run(given: Arguments): Promise<number> {
  switch (given.command) {
    case "help":
      process.stdout.write(HELP);
      return EXIT.DONE;
    case "version":
      process.stdout.write(`${packageVersion()}\n`);
      return EXIT.DONE;
    case "keygen":
      process.stdout.write(`${decodeEnvelope<string>(native().generateMasterKey())}\n`);
      if (process.stdout.isTTY) process.stderr.write(KEYGEN_HINT);
      return EXIT.DONE;
    case "status":
    case "verify":
      return await withStore(given, check);
    case "rewrap":
      return await withStore(given, rewrap);
  }
}

/** What a command on a store works with. */
interface Work {
  byok: BYOK;
  given: Arguments;
  /** The store's name for people. */
  name: string;
  signal: AbortSignal;
}

async function withStore(given: Arguments, work: (o: Work) => Promise<number>): Promise<number> {
  const keys = readKeys(given.keyFile);
  const { store, name, end } = openStore(given.store, given.table);
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  process.once("SIGINT", interrupt);
  const byok = new BYOK({ masterKeys: keys, store });
  try {
    return await work({ byok, given, name, signal: controller.signal });
  } catch (error) {
    if (!(error instanceof AbortError)) throw error;
    process.stderr.write(
      "Interrupted. What was done stays done; run the command again to go on.\n",
    );
    return EXIT.INTERRUPTED;
  } finally {
    process.off("SIGINT", interrupt);
    await byok.close();
    await end();
  }
}

async function check({ byok, given, name, signal }: Work): Promise<number> {
  const open = given.command === "verify";
  const meter = new Meter(open ? "Opened" : "Read", given.quiet);
  const { batchSize, concurrency } = given;
  let report: KeyReport;
  try {
    const onProgress = meter.update;
    report = await byok.checkKeys({ open, batchSize, concurrency, signal, onProgress });
  } finally {
    meter.clear();
  }
  print(given, report, keyReport(report, name, open));
  return report.failed > 0 ? EXIT.ATTENTION : EXIT.DONE;
}

async function rewrap({ byok, given, name, signal }: Work): Promise<number> {
  const { batchSize, concurrency, singleWriter } = given;
  const before = await byok.checkKeys({ skipCurrent: true, batchSize, concurrency, signal });
  const meter = new Meter("Rewrapped", given.quiet, before.records);
  let report: RewrapReport;
  try {
    const onProgress = meter.update;
    report = await byok.rewrapKeys({ batchSize, concurrency, singleWriter, signal, onProgress });
  } finally {
    meter.clear();
  }
  print(given, report, rewrapReport(report, name));
  return report.failed > 0 || report.previousKeysNeeded ? EXIT.ATTENTION : EXIT.DONE;
}

function print(given: Arguments, report: object, text: string): void {
  process.stdout.write(given.json ? `${JSON.stringify(report)}\n` : text);
}
