// Records in a MongoDB collection, through the application's own `mongodb` driver: a document each,
// whose `_id` is the four ids as JSON text.

import type { KeyId, KeyRecord, KeyStore, Replacement, ScanPage } from "../types.js";
import { fromRow, type IdValues, idValues, toRow } from "./record-row.js";
import { requireMethods } from "./table.js";
import { idKey, type ScanOptions, sealedUnder, walkPage } from "./walk.js";

/** A collection without a default collation: `client.db().collection("byok_keys")`. */
export interface MongoCollection {
  findOne(filter: object, options?: object): Promise<unknown>;
  find(filter: object, options?: object): { toArray(): Promise<unknown[]> };
  replaceOne(filter: object, document: object, options?: object): Promise<unknown>;
  deleteOne(filter: object): Promise<{ deletedCount: number }>;
  // biome-ignore-start lint/suspicious/noExplicitAny: unions of the driver's own types
  bulkWrite(operations: readonly any[], options?: object): Promise<{ matchedCount: number }>;
  createIndex(keys: any, options?: any): Promise<string>;
  // biome-ignore-end lint/suspicious/noExplicitAny: unions of the driver's own types
}

const METHODS = ["findOne", "find", "replaceOne", "deleteOne", "bulkWrite", "createIndex"];
const DUPLICATE_KEY = 11_000;
const MOST_TRIES = 10;
/** Items of one bulk write. */
const BATCH = 500;

/**
 * Keeps sealed records in a MongoDB collection (5.0 or newer). The client stays the application's:
 * `byok.close()` leaves it open.
 *
 * Every method is one round trip, but for `migrate`, for `replaceMany` when some of its items lost, and for
 * `scan` with a `notPrefix`, which needs another where it passes from one master key to the next.
 *
 * @example
 * ```ts
 * import { MongoClient } from "mongodb";
 * const client = new MongoClient(process.env.MONGODB_URL);
 * const store = new MongoStore(client.db("app").collection("byok_keys"));
 * await store.migrate();
 * const byok = new BYOK({ masterKey: process.env.BYOK_MASTER_KEY, store });
 * ```
 */
export class MongoStore implements KeyStore {
  readonly #collection: MongoCollection;

  /** @throws BYOKError `INVALID_ARGUMENT` for something else than a collection */
  constructor(collection: MongoCollection) {
    const wanted = "a collection of the mongodb driver, for example db.collection('byok_keys')";
    requireMethods(collection, METHODS, "new MongoStore()", wanted);
    this.#collection = collection;
  }

  /** Creates the index that `scan` uses, and with it the collection, where they are missing; may run
   * any number of times, also at once. The store works without it, but a scan is slower then. */
  async migrate(): Promise<void> {
    await this.#collection.createIndex({ sealedUnder: 1, _id: 1 }, { name: "by_master_key" });
  }

  async get(id: KeyId): Promise<KeyRecord | null> {
    const found = await this.#collection.findOne({ _id: idKey(id) });
    return found == null ? null : fromDocument(found);
  }

  async set(record: KeyRecord): Promise<void> {
    const document = toDocument(record);
    for (let tries = 1; ; tries++) {
      try {
        await this.#collection.replaceOne({ _id: document._id }, document, { upsert: true });
        return;
      } catch (error) {
        // Another upsert of the same id was faster: now there is one to replace.
        const { code } = error as { code?: unknown };
        if (code !== DUPLICATE_KEY || tries === MOST_TRIES) throw error;
      }
    }
  }

  async delete(id: KeyId): Promise<boolean> {
    return (await this.#collection.deleteOne({ _id: idKey(id) })).deletedCount > 0;
  }

  async list({ namespace, userId }: { namespace: string; userId: string }): Promise<KeyRecord[]> {
    // Every `_id` of this user begins with this text, and no other's does.
    const first = `${JSON.stringify([namespace, userId]).slice(0, -1)},`;
    const behind = `${first.slice(0, -1)}-`;
    const filter = { _id: { $gte: first, $lt: behind } };
    return (await this.#collection.find(filter, { sort: { _id: 1 } }).toArray()).map(fromDocument);
  }

  async replace(record: KeyRecord, { sealed }: { sealed: string }): Promise<boolean> {
    const document = toDocument(record);
    const answer = await this.#collection.replaceOne({ _id: document._id, sealed }, document);
    return (answer as { matchedCount: number }).matchedCount > 0;
  }

  /** One unordered bulk write for each 500 items. The server says only how many were written; where not
   * all were, a second round trip looks which ones. An item that was written, and replaced again by
   * another writer before that look, is answered with false. */
  async replaceMany(items: readonly Replacement[]): Promise<boolean[]> {
    const answers: boolean[] = [];
    for (let start = 0; start < items.length; start += BATCH) {
      answers.push(...(await this.#replaceBatch(items.slice(start, start + BATCH))));
    }
    return answers;
  }

  async scan(o: ScanOptions): Promise<ScanPage> {
    return await walkPage(o, {
      page: async (limit, after, under) => {
        const behind = after === undefined ? {} : { _id: { $gt: keyOf(after) } };
        const filter = under === undefined ? behind : { sealedUnder: under, ...behind };
        const sort = under === undefined ? { _id: 1 } : { sealedUnder: 1, _id: 1 };
        const found = await this.#collection.find(filter, { sort, limit }).toArray();
        return found.map(fromDocument);
      },
      nextUnder: async (after) => {
        const filter = after === undefined ? {} : { sealedUnder: { $gt: after } };
        const options = { sort: { sealedUnder: 1 }, projection: { sealedUnder: 1 } };
        const found = await this.#collection.findOne(filter, options);
        return (found as { sealedUnder?: string } | null)?.sealedUnder;
      },
    });
  }

  async #replaceBatch(items: readonly Replacement[]): Promise<boolean[]> {
    const operations = items.map(({ record, expected }) => ({
      replaceOne: {
        filter: { _id: idKey(record), sealed: expected.sealed },
        replacement: toDocument(record),
      },
    }));
    const { matchedCount } = await this.#collection.bulkWrite(operations, { ordered: false });
    if (matchedCount === items.length || matchedCount === 0) {
      return items.map(() => matchedCount > 0);
    }
    const ids = items.map(({ record }) => idKey(record));
    const options = { projection: { sealed: 1 } };
    const found = await this.#collection.find({ _id: { $in: ids } }, options).toArray();
    const now = new Map(found.map((each) => [(each as Document)._id, (each as Document).sealed]));
    return items.map(({ record }) => now.get(idKey(record)) === record.sealed);
  }
}

interface Document extends Omit<KeyRecord, "metadata"> {
  _id: string;
  sealedUnder: string;
}

/** Metadata is JSON text: the names of its fields may hold what BSON and queries take for more. */
function toDocument(record: KeyRecord): Document {
  const { namespace, userId, provider, label, sealed, status, hint, fingerprint } = record;
  const { createdAt, updatedAt, verifiedAt } = record;
  const [, , , , , , , , , , , metadata] = toRow(record);
  return {
    _id: idKey(record),
    ...{ namespace, userId, provider, label, sealed, status, hint, fingerprint },
    ...{ createdAt, updatedAt },
    ...(verifiedAt === undefined ? {} : { verifiedAt }),
    ...(metadata == null ? {} : { metadata }),
    sealedUnder: sealedUnder(sealed),
  };
}

function fromDocument(found: unknown): KeyRecord {
  const document = found as Record<string, unknown>;
  return fromRow([
    ...idValues(document as unknown as KeyId),
    document["sealed"],
    document["status"],
    document["hint"],
    document["fingerprint"],
    document["createdAt"],
    document["updatedAt"],
    document["verifiedAt"],
    document["metadata"],
  ]);
}

function keyOf(id: IdValues): string {
  return JSON.stringify(id);
}
