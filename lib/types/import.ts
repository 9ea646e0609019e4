// What the import of keys that other libraries sealed takes and reports.

import type { BYOKErrorCode } from "../errors.js";
import type { JsonObject } from "./key.js";
import type { Progress } from "./result.js";

/** How the keys were sealed.
 *
 * - `cloak-v1`: `v1.aesgcm256.<fingerprint>.<iv>.<ciphertext>` of `@47ng/cloak`
 * - `aes-256-gcm-hex`, `aes-256-gcm-base64`: `iv:tag:ciphertext`, as AES-256-GCM of `node:crypto` is mostly
 *   written down; an IV of 12 or 16 bytes, a tag of 16; base64 in either alphabet, padded or not */
export type ImportFormat = "cloak-v1" | "aes-256-gcm-hex" | "aes-256-gcm-base64";

/** One key as another library sealed it. */
export interface ImportEntry {
  userId: string;
  provider: string;
  /** Default `"default"`. */
  label?: string | undefined;
  /** The sealed text. */
  encrypted: string;
  /** The additional authenticated data (`setAAD`) that it was bound to, as text; mostly none. */
  additionalData?: string | undefined;
  metadata?: JsonObject | undefined;
  /** When the key was registered; the import's time when absent. */
  createdAt?: string | Date | undefined;
}

/** Options of `importKeys`. */
export interface ImportOptions {
  format: ImportFormat;
  /** What the entries were sealed with. Cloak: `k1.aesgcm256....`, or several of them. The others: 32
   * bytes, or 64 hex digits or base64 of them; a text of 32 characters is taken as its bytes, as
   * `createCipheriv` does. Byte arrays are wiped when the import ends. */
  key: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Does everything but write. Default false. */
  dryRun?: boolean | undefined;
  /** What becomes of a key that is stored already under the same user, provider and label: `skip` keeps it,
   * so that an import can be run again; `replace` takes the imported one. Default `skip`. */
  existing?: "skip" | "replace" | undefined;
  /** Entries that cross to native code at once, from 1 to 1,000. Default 200. */
  batchSize?: number | undefined;
  /** Ends the import with `ABORTED`, between two batches. */
  signal?: AbortSignal | undefined;
  /** Called after each batch with the number of entries that were dealt with. An exception ends the
   * import. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** An entry that could not be imported. Holds neither a key nor the sealed text. */
export interface ImportFailure {
  /** Its place in the source, from 0. */
  index: number;
  userId: string;
  provider: string;
  label: string;
  /** `BAD_RECORD`: not of this format; `DECRYPT_FAILED`: another key, or changed; `UNKNOWN_MASTER_KEY`: of a
   * Cloak key that was not given; `UNKNOWN_PROVIDER`; `INVALID_ARGUMENT`: what it holds is no API key. */
  code: BYOKErrorCode;
  message: string;
}

/** What `importKeys` did, or would do. */
export interface ImportReport {
  /** Entries that were read from the source. */
  read: number;
  imported: number;
  /** Stored already. */
  skipped: number;
  failed: number;
  /** The first hundred of them. */
  failures: ImportFailure[];
  dryRun: boolean;
}
