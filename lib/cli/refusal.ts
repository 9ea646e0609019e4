// What the command does not do, said in a sentence, with the exit code that belongs to it.

import { EXIT } from "./exit.js";

export class Refusal extends Error {
  /** @param showHelp - prints the help after the message */
  constructor(
    message: string,
    readonly exitCode: number = EXIT.USAGE,
    readonly showHelp = false,
  ) {
    super(message);
  }
}
