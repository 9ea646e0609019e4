// Redis, through each of the clients that the store takes.

import { Redis } from "ioredis";
import { createClient, createClientPool } from "redis";
import { RedisStore } from "../../../dist/stores/redis.js";
import { Clients, type Database, database, newTable, SWAPS_MANY, type Tested } from "./database.js";

export const REDIS: Tested[] = [
  {
    name: "RedisStore over ioredis",
    variable: "BYOK_TEST_REDIS_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      redisDatabase(
        url,
        new Clients(
          () => new Redis(url),
          async (client) => client.disconnect(),
        ),
        (client, options) => new RedisStore(client, options),
      ),
  },
  {
    name: "RedisStore over redis",
    variable: "BYOK_TEST_REDIS_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      redisDatabase(
        url,
        new Clients(
          () => createClient({ url }).connect(),
          async (client) => client.destroy(),
        ),
        (client, options) => new RedisStore(client, options),
      ),
  },
  {
    name: "RedisStore over a pool of redis",
    variable: "BYOK_TEST_REDIS_URL",
    requires: SWAPS_MANY,
    open: (url) =>
      redisDatabase(
        url,
        new Clients(
          async () => {
            const pool = createClientPool({ url });
            await pool.connect();
            return pool;
          },
          async (pool) => pool.destroy(),
        ),
        (pool, options) => new RedisStore(pool, options),
      ),
  },
];

async function redisDatabase<Client>(
  url: string,
  clients: Clients<Client>,
  over: (client: Client, options: { prefix: string }) => RedisStore,
): Promise<Database> {
  const admin = new Redis(url);
  const prefix = `{${newTable()}}:`;
  const keys = [`${prefix}records`, `${prefix}ids`] as const;
  return await database(clients, (client) => over(client, { prefix }), {
    empty: () => admin.del(...keys),
    async edit(userId, columns) {
      const [hash, ids] = keys;
      for (const [field, value] of Object.entries(await admin.hgetall(hash))) {
        const id = JSON.parse(field);
        if (id[1] !== userId) continue;
        const names = ["sealed", "status", "hint", "fingerprint", "createdAt", "updatedAt"];
        const values = JSON.parse(value);
        for (const [name, text] of Object.entries(columns)) {
          if (name === "userId") id[1] = text;
          else values[name === "metadata" ? 7 : names.indexOf(name)] = text;
        }
        await admin.hdel(hash, field);
        await admin.zrem(ids, field);
        await admin.hset(hash, JSON.stringify(id), JSON.stringify(values));
        await admin.zadd(ids, 0, JSON.stringify(id));
      }
    },
    async close() {
      await admin.del(...keys);
      admin.disconnect();
    },
  });
}
