// Records behind a Prisma model, through the delegate that the application's own client has for it:
// `prisma.byokKey`. The model to paste stands in docs/stores.md.

import { createHash } from "node:crypto";
import type { KeyId, KeyRecord, KeyStore, ScanPage } from "../types.js";
import { escapeNul, unescapeNul } from "./nul.js";
import { fromRow, idValues, toRow } from "./record-row.js";
import { requireMethods } from "./table.js";
import { type ScanOptions, sealedUnder, walkPage } from "./walk.js";

/** What a Prisma client has for the model: `prisma.byokKey`. */
export interface PrismaDelegate {
  // biome-ignore-start lint/suspicious/noExplicitAny: the generated types are the application's
  findUnique(args: any): PromiseLike<any>;
  findFirst(args: any): PromiseLike<any>;
  findMany(args: any): PromiseLike<any>;
  upsert(args: any): PromiseLike<any>;
  updateMany(args: any): PromiseLike<any>;
  deleteMany(args: any): PromiseLike<any>;
  // biome-ignore-end lint/suspicious/noExplicitAny: the generated types are the application's
}

const METHODS = ["findUnique", "findFirst", "findMany", "upsert", "updateMany", "deleteMany"];
/** Two upserts of a new id at once, where the database has none of its own; a transaction that met
 * another: nothing was written. */
const RETRIED = ["P2002", "P2034"];
const MOST_TRIES = 10;

/**
 * Keeps sealed records behind a model of Prisma 7. The client stays the application's: `byok.close()`
 * leaves it connected, and `prisma migrate` creates the table.
 *
 * Every method is one query, but for `scan` with a `notPrefix`, which needs another where it passes from one
 * master key to the next.
 *
 * @example
 * ```ts
 * const prisma = new PrismaClient({ adapter });
 * const byok = new BYOK({
 *   masterKey: process.env.BYOK_MASTER_KEY,
 *   store: new PrismaStore(prisma.byokKey),
 * });
 * ```
 */
export class PrismaStore implements KeyStore {
  readonly #model: PrismaDelegate;

  /** @throws BYOKError `INVALID_ARGUMENT` for something else than a model of a client */
  constructor(model: PrismaDelegate) {
    const wanted = "a model of a Prisma client, for example prisma.byokKey (see docs/stores.md)";
    requireMethods(model, METHODS, "new PrismaStore()", wanted);
    this.#model = model;
  }

  async get(id: KeyId): Promise<KeyRecord | null> {
    const row = await run(() => this.#model.findUnique({ where: { id: hash(idValues(id)) } }));
    return row === null ? null : fromModel(row);
  }

  async set(record: KeyRecord): Promise<void> {
    const { id, ...rest } = toModel(record);
    const args = { where: { id }, create: { id, ...rest }, update: rest };
    await run(() => this.#model.upsert(args));
  }

  async delete(id: KeyId): Promise<boolean> {
    const where = { id: hash(idValues(id)) };
    return (await run(() => this.#model.deleteMany({ where }))).count > 0;
  }

  async list({ namespace, userId }: { namespace: string; userId: string }): Promise<KeyRecord[]> {
    const where = { owner: hash([namespace, userId]) };
    return (await run(() => this.#model.findMany({ where }))).map(fromModel);
  }

  async replace(record: KeyRecord, expected: { sealed: string }): Promise<boolean> {
    const { id, ...data } = toModel(record);
    const where = { id, sealed: expected.sealed };
    return (await run(() => this.#model.updateMany({ where, data }))).count > 0;
  }

  async scan(o: ScanOptions): Promise<ScanPage> {
    return await walkPage(o, {
      page: async (take, after, under) => {
        const where = {
          ...(under === undefined ? {} : { sealedUnder: under }),
          ...(after === undefined ? {} : { id: { gt: hash(after) } }),
        };
        const args = { where, orderBy: { id: "asc" }, take };
        return (await run(() => this.#model.findMany(args))).map(fromModel);
      },
      nextUnder: async (after) => {
        const where = after === undefined ? {} : { sealedUnder: { gt: after } };
        const args = { where, orderBy: { sealedUnder: "asc" }, select: { sealedUnder: true } };
        return (await run(() => this.#model.findFirst(args)))?.sealedUnder;
      },
    });
  }
}

/** A hash of the ids is the primary key: of one short length, and equal for equal ids only, whatever
 * collation, longest key and forbidden characters the database has. */
function hash(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

function toModel(record: KeyRecord) {
  const [namespace, userId, provider, label] = idValues(record).map(escapeNul);
  const { sealed, status, fingerprint, createdAt, updatedAt } = record;
  return {
    id: hash(idValues(record)),
    owner: hash([record.namespace, record.userId]),
    ...{ namespace, userId, provider, label, sealed, status, fingerprint, createdAt, updatedAt },
    hint: escapeNul(record.hint),
    verifiedAt: record.verifiedAt ?? null,
    metadata: toRow(record).at(-1),
    sealedUnder: sealedUnder(sealed),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a row of the application's model
function fromModel(row: any): KeyRecord {
  const { namespace, userId, provider, label, sealed, status, hint, fingerprint } = row;
  return fromRow([
    ...[namespace, userId, provider, label].map(unescaped),
    ...[sealed, status, unescaped(hint), fingerprint],
    ...[row.createdAt, row.updatedAt, row.verifiedAt, row.metadata],
  ]);
}

function unescaped(value: unknown): unknown {
  return typeof value === "string" ? unescapeNul(value) : value;
}

// biome-ignore lint/suspicious/noExplicitAny: the generated types are the application's
async function run(query: () => PromiseLike<any>): Promise<any> {
  for (let tries = 1; ; tries++) {
    try {
      return await query();
    } catch (error) {
      const code = (error as { code?: unknown } | null)?.code as string;
      if (code === "P2021" || code === "P2022") throw outdated(error);
      if (!RETRIED.includes(code) || tries === MOST_TRIES) throw error;
    }
  }
}

/** The model's table, or a column of it, is not there. */
function outdated(cause: unknown): Error {
  return new Error(
    "The database does not have the model that PrismaStore needs. Paste it from docs/stores.md into your schema and run `npx prisma migrate dev`.",
    { cause },
  );
}
