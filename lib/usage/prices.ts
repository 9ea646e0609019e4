// Price tables from files and URLs of the application's own. None is part of this library: prices change,
// and a wrong one is worse than none.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { invalidArgument } from "../errors.js";
import type { PriceTable } from "../types.js";
import { checkPrices } from "./options.js";

/** A table larger than this is none. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Reads a price table (JSON) from a file's path, a `file:` URL or an `https:` URL.
 *
 * @throws BYOKError `INVALID_ARGUMENT` for what is no price table, and the file's or network's own error
 * @example
 * ```ts
 * const prices = await loadPrices("./prices.json");
 * const byok = new BYOK({ masterKey, usage: { prices } });
 * setInterval(async () => byok.setPrices(await loadPrices("https://example.com/prices.json")), 86_400_000);
 * ```
 */
export async function loadPrices(
  source: string | URL,
  o: { signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<PriceTable> {
  const text = await read(source, o);
  let table: PriceTable;
  try {
    table = JSON.parse(text) as PriceTable;
  } catch (cause) {
    throw invalidArgument(`loadPrices(): ${String(source)} is not JSON.`, cause);
  }
  checkPrices(table, "prices");
  return table;
}

async function read(
  source: string | URL,
  { signal, timeoutMs = 30_000 }: { signal?: AbortSignal; timeoutMs?: number },
): Promise<string> {
  const url =
    source instanceof URL ? source : /^[a-z]+:\/\//i.test(source) ? new URL(source) : null;
  if (url === null) return await readFile(source, { encoding: "utf8", signal });
  if (url.protocol === "file:") {
    return await readFile(fileURLToPath(url), { encoding: "utf8", signal });
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw invalidArgument("loadPrices() takes a file's path, or a file: or https: URL.");
  }
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, {
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
  });
  if (!response.ok) {
    throw invalidArgument(`loadPrices(): ${url.host} answered with HTTP ${response.status}.`);
  }
  const bytes = await response.arrayBuffer();
  if (bytes.byteLength > MAX_BYTES) throw invalidArgument("loadPrices(): more than 16 MiB.");
  return new TextDecoder().decode(bytes);
}
