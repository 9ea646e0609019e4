// The name of a table or collection, checked: it is the only text of an application that becomes part
// of a statement. Also what to say when the table is not there.

import { invalidArgument } from "../errors.js";
import { checkOptions, type OptionTable } from "../options.js";

export const DEFAULT_TABLE = "byok_keys";

/** Letters, digits and underscores, short enough for the names of indexes made from it. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,39}$/;

const text = (value: unknown, path: string) =>
  typeof value === "string" ? undefined : `${path} must be a string.`;
const flag = (value: unknown, path: string) =>
  typeof value === "boolean" ? undefined : `${path} must be true or false.`;

export const TABLE_OPTIONS: OptionTable = { table: text };
export const PREPARED_TABLE_OPTIONS: OptionTable = { table: text, prepare: flag };

/** The parts of `table` or `schema.table`.
 * @throws INVALID_ARGUMENT for anything else than plain names */
export function tableParts(
  options: unknown,
  known: OptionTable,
  where: string,
): { schema?: string; table: string } {
  if (options !== undefined) checkOptions(options, known, where);
  const { table: name = DEFAULT_TABLE } = (options ?? {}) as { table?: string };
  const parts = name.split(".");
  if (parts.length > 2 || !parts.every((part) => NAME.test(part))) {
    throw invalidArgument(
      `${where}: table must be a name, or schema.name, of letters, digits and underscores, each at most 40 characters and not beginning with a digit.`,
    );
  }
  const [first = "", second] = parts;
  return second === undefined ? { table: first } : { schema: first, table: second };
}

/** @throws INVALID_ARGUMENT when a client lacks the methods that the store needs */
export function requireMethods(
  client: unknown,
  methods: readonly string[],
  where: string,
  wanted: string,
): void {
  const has = (method: string) =>
    typeof (client as Record<string, unknown> | null | undefined)?.[method] === "function";
  if (!methods.every(has)) throw invalidArgument(`${where} takes ${wanted}.`);
}

/** The driver's error, with what to do about it before. */
export function missingTable(table: string, cause: unknown): Error {
  return new Error(
    `The table ${table} does not exist. Create it with store.migrate(), or run the statements of docs/stores.md in your own migrations.`,
    { cause },
  );
}
