// How the command ends; README and `--help` say the same.

export const EXIT = {
  /** Done, and nothing is left to do. */
  DONE: 0,
  /** It could not be finished: the database, the keys, the network. */
  FAILED: 1,
  /** The command line is wrong. */
  USAGE: 2,
  /** Finished, and something needs a person: records that don't open, a key that is still needed. */
  ATTENTION: 3,
  /** Ended by Ctrl+C; what was done stays done. */
  INTERRUPTED: 130,
} as const;
