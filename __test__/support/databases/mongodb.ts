// Servers that speak MongoDB's protocol, through the official driver.

import { type Collection, MongoClient } from "mongodb";
import { MongoStore } from "../../../dist/stores/mongodb.js";
import { Clients, type Database, database, newTable, SWAPS_MANY, type Tested } from "./database.js";

export const MONGODB: Tested[] = [
  {
    name: "MongoStore on SecantusDB",
    variable: "BYOK_TEST_SECANTUS_URL",
    requires: SWAPS_MANY,
    concurrency: 4,
    open: (url) => mongoDatabase(url, true),
  },
  {
    // This server can't keep documents under an index that has _id in it.
    name: "MongoStore on nx-27017, without its index",
    variable: "BYOK_TEST_NX27017_URL",
    requires: SWAPS_MANY,
    concurrency: 4,
    open: (url) => mongoDatabase(url, false),
  },
  {
    name: "MongoStore on MongoDB",
    variable: "MONGODB_URL",
    requires: SWAPS_MANY,
    open: (url) => mongoDatabase(url, true),
  },
];

async function mongoDatabase(url: string, indexed: boolean): Promise<Database> {
  const admin = new MongoClient(url);
  const table = newTable();
  const at = (client: MongoClient) => client.db("byok_test").collection(table);
  const collection = at(admin) as unknown as Collection<{ _id: string }>;
  if (indexed) await new MongoStore(at(admin)).migrate();
  const connect = () => new MongoClient(url, { serverSelectionTimeoutMS: 60_000 }).connect();
  const clients = new Clients(connect, (client) => client.close());
  return await database(clients, (client) => new MongoStore(at(client)), {
    empty: () => collection.deleteMany({}),
    async edit(userId, columns) {
      const { userId: renamed, ...others } = columns;
      for (const found of await collection.find({ userId }).toArray()) {
        const { _id, ...rest } = found;
        const id = JSON.parse(_id);
        if (renamed !== undefined) id[1] = renamed;
        await collection.deleteOne({ _id });
        const edited = { ...rest, ...others, userId: renamed ?? userId };
        await collection.insertOne({ ...edited, _id: JSON.stringify(id) });
      }
    },
    async close() {
      await collection.drop();
      await admin.close();
    },
  });
}
