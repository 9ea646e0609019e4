// What the rotation of master keys takes and reports.

import type { BYOKErrorCode } from "../errors.js";
import type { Progress } from "./result.js";
import type { KeyId } from "./store.js";

/** What a walk over all records of a store takes. */
interface WalkOptions {
  /** Records in one batch, from 1 to 10,000. Default 500. */
  batchSize?: number | undefined;
  /** Batches under way at once, from 1 to 64. Default 4. At most `batchSize` times this many records,
   * and one batch more, are in memory. */
  concurrency?: number | undefined;
  /** Ends the walk with `ABORTED`. What was done until then stays done. */
  signal?: AbortSignal | undefined;
  /** Called with the number of records that were dealt with; the total is not known. An exception ends the
   * walk. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of `rewrapKeys`. */
export interface RewrapOptions extends WalkOptions {
  /** For a store without `replace`: says that nobody else writes keys while this runs. Without it,
   * such a store is refused. Default false. */
  singleWriter?: boolean | undefined;
}

/** Options of `checkKeys`. */
export interface CheckOptions extends WalkOptions {
  /** Opens each record, instead of reading its public part alone: finds what was changed or moved.
   * Default false. */
  open?: boolean | undefined;
  /** Leaves out the records under the current master key: fast in a store that is mostly rotated, as at an
   * application's start. Default false. */
  skipCurrent?: boolean | undefined;
}

/** How many records are sealed under one master key. */
export interface KeyUse {
  /** The master key's public id: 16 lower-case hex digits. `others` for what is beyond the first hundred
   * unknown keys. */
  kid: string;
  /** `unknown`: neither current nor previous, so these records can't be opened. */
  role: "current" | "previous" | "unknown";
  records: number;
}

/** A record that can't be opened. */
export interface RecordFailure extends KeyId {
  /** `BAD_RECORD`: no record at all, or cut short; `UNKNOWN_MASTER_KEY`; `DECRYPT_FAILED`: changed, or sealed
   * for another user, provider, label or namespace. */
  code: BYOKErrorCode;
  /** The master key that it names; absent when that can't be read. */
  kid?: string;
}

/** What `rewrapKeys` did. */
export interface RewrapReport {
  /** Records that this run moved to the current master key. */
  rewrapped: number;
  /** Times that someone else changed or deleted a record first. Theirs was kept. */
  skipped: number;
  /** Records that can't be opened. They stay as they are. */
  failed: number;
  /** The first hundred of them. */
  failures: RecordFailure[];
  /** The master keys other than the current one that records still name. */
  needed: KeyUse[];
  /** False once no record is left under any of `masterKeys.previous`: they can be dropped. */
  previousKeysNeeded: boolean;
  durationMs: number;
}

/** What `checkKeys` found. */
export interface KeyReport {
  /** Records that were looked at. */
  records: number;
  /** The given master keys, the current one first, also those that no record needs; then those that
   * records need and nobody gave. */
  keys: KeyUse[];
  /** Records that can't be opened. Without `open`, those of which their public part tells it. */
  failed: number;
  /** The first hundred of them. */
  failures: RecordFailure[];
  durationMs: number;
}
