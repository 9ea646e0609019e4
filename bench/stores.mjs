// How much a store adds to its driver: `get` through each store against the same look-up by the bare driver, on
// whatever servers `npm run services` finds or starts. And 10^6 keys in a MemoryStore: bytes a key, and
// look-ups against 10^3. Prints tables; see bench/README.md.
//
//   npm run build:release && node --expose-gc bench/stores.mjs [--rounds 7] [--calls 2000] [--only postgres,memory]

import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../scripts/prepare.mjs";
import { runQuietly } from "../scripts/services/server.mjs";
import { startServices } from "../scripts/services.mjs";

const require = createRequire(import.meta.url);
const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    calls: { type: "string", default: "2000" },
    only: { type: "string" },
  },
});
const ROUNDS = Number(options.rounds);
const CALLS = Number(options.calls);
const IN_FLIGHT = 32;
const USERS = 1_000;
const TABLE = "byok_bench";

const { BYOK, MemoryStore } = require("../dist/index.js");
const { MongoStore } = require("../dist/stores/mongodb.js");
const { MySqlStore } = require("../dist/stores/mysql.js");
const { PostgresStore } = require("../dist/stores/postgres.js");
const { PrismaStore } = require("../dist/stores/prisma.js");
const { RedisStore } = require("../dist/stores/redis.js");

/** What an application would write by hand: the sealed text of one user's key. */
const SELECT = (table, mark) =>
  `SELECT * FROM ${table} WHERE namespace = ${mark(1)} AND user_id = ${mark(2)} AND provider = ${mark(3)} AND label = ${mark(4)}`;
const idOf = (n) => ({
  ...{ namespace: "default", userId: `user_${n}`, provider: "openai", label: "default" },
});
const partsOf = (n) => Object.values(idOf(n));

const CONTESTS = {
  async postgres(url) {
    const { Pool } = require("pg");
    const postgres = require("postgres");
    const pool = new Pool({ connectionString: url });
    const sql = postgres(url, { onnotice() {} });
    const store = new PostgresStore(pool, { table: TABLE });
    await store.migrate();
    await pool.query(`TRUNCATE ${TABLE}`);
    await fill(store);
    await pool.query(`VACUUM ANALYZE ${TABLE}`);
    const text = SELECT(TABLE, (n) => `$${n}`);
    const named = { text, name: "bench" };
    const prepared = new PostgresStore(pool, { table: TABLE, prepare: true });
    const other = new PostgresStore(sql, { table: TABLE, prepare: true });
    await contest("PostgresStore, pg", store, (n) => pool.query({ text, values: partsOf(n) }));
    await contest("PostgresStore, pg, prepared", prepared, (n) =>
      pool.query({ ...named, values: partsOf(n) }),
    );
    await contest("PostgresStore, postgres.js, prepared", other, (n) => {
      const [namespace, userId, provider, label] = partsOf(n);
      return sql`SELECT * FROM ${sql(TABLE)} WHERE namespace = ${namespace} AND user_id = ${userId} AND provider = ${provider} AND label = ${label}`;
    });
    await pool.query(`DROP TABLE ${TABLE}`);
    await Promise.all([pool.end(), sql.end()]);
  },

  async mysql(url) {
    const pool = require("mysql2/promise").createPool(url);
    const table = `byok_test.${TABLE}`;
    await pool.query("CREATE DATABASE IF NOT EXISTS byok_test");
    const store = new MySqlStore(pool, { table });
    await store.migrate();
    await pool.query(`DELETE FROM ${table}`);
    await fill(store);
    const text = SELECT(table, () => "?");
    await contest("MySqlStore, mysql2", store, (n) => pool.execute(text, partsOf(n)));
    await pool.query(`DROP TABLE ${table}`);
    await pool.end();
  },

  async prisma(url) {
    const folder = join(root, "target", "prisma-bench");
    runQuietly(process.execPath, [join(root, "scripts/services/prisma-client.mjs"), folder]);
    const { PrismaClient } = require(join(folder, "client", "client.js"));
    const { PrismaPg } = require("@prisma/adapter-pg");
    const { Pool } = require("pg");
    const pool = new Pool({ connectionString: url });
    await pool.query(`DROP SCHEMA IF EXISTS ${TABLE} CASCADE; CREATE SCHEMA ${TABLE}`);
    await pool.query(`CREATE TABLE ${TABLE}.byok_keys (
      id text PRIMARY KEY, owner text NOT NULL, "sealedUnder" text NOT NULL, namespace text NOT NULL,
      "userId" text NOT NULL, provider text NOT NULL, label text NOT NULL, sealed text NOT NULL,
      status text NOT NULL, hint text NOT NULL, fingerprint text NOT NULL, "createdAt" timestamp(3) NOT NULL,
      "updatedAt" timestamp(3) NOT NULL, "verifiedAt" timestamp(3), metadata text)`);
    const prisma = new PrismaClient({ adapter: new PrismaPg(pool, { schema: TABLE }) });
    const store = new PrismaStore(prisma.byokKey);
    await fill(store);
    const rows = await prisma.byokKey.findMany({ select: { id: true }, orderBy: { id: "asc" } });
    await contest("PrismaStore, adapter-pg", store, (n) =>
      prisma.byokKey.findUnique({ where: { id: rows[n].id } }),
    );
    await pool.query(`DROP SCHEMA ${TABLE} CASCADE`);
    await prisma.$disconnect();
    await pool.end();
  },

  async redis(url) {
    const { Redis } = require("ioredis");
    const { createClient } = require("redis");
    const one = new Redis(url);
    const two = await createClient({ url }).connect();
    const prefix = `{${TABLE}}:`;
    const keys = [`${prefix}records`, `${prefix}ids`];
    await one.del(...keys);
    const store = new RedisStore(one, { prefix });
    await fill(store);
    const field = (n) => JSON.stringify(partsOf(n));
    await contest("RedisStore, ioredis", store, (n) => one.hget(keys[0], field(n)));
    await contest("RedisStore, redis", new RedisStore(two, { prefix }), (n) =>
      two.hGet(keys[0], field(n)),
    );
    await one.del(...keys);
    one.disconnect();
    await two.close();
  },

  async mongodb(url, server) {
    const client = await new (require("mongodb").MongoClient)(url).connect();
    const collection = client.db("byok_test").collection(TABLE);
    const store = new MongoStore(collection);
    await collection.deleteMany({});
    await fill(store);
    await contest(`MongoStore, mongodb, on ${server}`, store, (n) =>
      collection.findOne({ _id: JSON.stringify(partsOf(n)) }),
    );
    await collection.drop();
    await client.close();
  },
};

/** A thousand users with a key each, sealed as the library does it. */
async function fill(store) {
  const byok = new BYOK({ masterKey: Buffer.alloc(32, "a key of benchmarks \x01\x02"), store });
  const apiKey = `sk-proj-${"x".repeat(156)}`;
  const register = (n) =>
    byok.registerKey({ userId: `user_${n}`, provider: "openai", apiKey, validate: false });
  for (let n = 0; n < USERS; n += IN_FLIGHT) {
    const part = Array.from({ length: Math.min(IN_FLIGHT, USERS - n) }, (_, k) => register(n + k));
    await Promise.all(part);
  }
}

const rows = [];

/** Both in turn, so that whatever changes on the machine meets both. */
async function contest(name, store, bare) {
  const get = (n) => store.get(idOf(n));
  if ((await get(7))?.sealed === undefined) throw new Error(`${name}: there is no record to get.`);
  const pairs = { one: [], many: [] };
  await Promise.all([time(get, 1, CALLS / 4), time(bare, 1, CALLS / 4)]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, inFlight] of Object.entries({ one: 1, many: IN_FLIGHT })) {
      const order = round % 2 === 0 ? [bare, get] : [get, bare];
      const times = new Map();
      for (const call of order) times.set(call, await time(call, inFlight, CALLS));
      pairs[kind].push({ bare: times.get(bare), get: times.get(get) });
    }
  }
  const of = (kind, side, what) => median(pairs[kind].map((pair) => pair[side][what]));
  const ratio = (kind, what) =>
    median(pairs[kind].map((pair) => pair.bare[what] / pair.get[what])).toFixed(2);
  rows.push({
    store: name,
    "bare µs": of("one", "bare", "wall").toFixed(0),
    "get µs": of("one", "get", "wall").toFixed(0),
    ratio: ratio("one", "wall"),
    [`ratio, ${IN_FLIGHT} at once`]: ratio("many", "wall"),
    [`bare CPU µs, ${IN_FLIGHT} at once`]: of("many", "bare", "cpu").toFixed(1),
    [`get CPU µs, ${IN_FLIGHT} at once`]: of("many", "get", "cpu").toFixed(1),
    [`CPU ratio, ${IN_FLIGHT} at once`]: ratio("many", "cpu"),
  });
}

/** Microseconds a call: on the clock, and of this process's CPU. */
async function time(call, inFlight, calls) {
  let next = 0;
  const began = performance.now();
  const used = process.cpuUsage();
  const work = async () => {
    while (next < calls) await call((next++ * 7) % USERS);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  const { user, system } = process.cpuUsage(used);
  return { wall: ((performance.now() - began) * 1_000) / calls, cpu: (user + system) / calls };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Bytes a key by the resident memory of this process; look-ups by `get` from JavaScript. */
async function memory() {
  const sample = new MemoryStore();
  await fill(sample);
  const record = await sample.get(idOf(7));
  const times = [];
  for (const count of [1_000, 1_000_000]) {
    const store = new MemoryStore();
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    for (let n = 0; n < count; n += IN_FLIGHT) {
      const part = [];
      for (let k = n; k < Math.min(n + IN_FLIGHT, count); k++) {
        part.push(store.set({ ...record, userId: `user_${k}` }));
      }
      await Promise.all(part);
    }
    globalThis.gc?.();
    const bytes = (process.memoryUsage.rss() - before) / count;
    let state = 1;
    const get = () => {
      state = (state * 48_271) % 2_147_483_647;
      return store.get(idOf(state % count));
    };
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await time(get, IN_FLIGHT, 20_000));
    times.push({
      keys: count,
      "bytes a key": bytes.toFixed(0),
      "get µs": median(rounds).toFixed(2),
    });
    await store.close();
  }
  const sealedBytes = JSON.stringify(record).length;
  console.log(`\nMemoryStore, records of ${sealedBytes} bytes as JSON`);
  console.table(times);
}

const wanted = options.only?.split(",");
const wants = (name) => wanted === undefined || wanted.includes(name);
await startServices();
const { BYOK_TEST_POSTGRES_URL, BYOK_TEST_MYSQL_URL, BYOK_TEST_REDIS_URL } = process.env;
const contests = [
  ["postgres", BYOK_TEST_POSTGRES_URL],
  ["mysql", BYOK_TEST_MYSQL_URL],
  ["redis", BYOK_TEST_REDIS_URL],
  ["prisma", BYOK_TEST_POSTGRES_URL],
  ["mongodb", process.env.MONGODB_URL, "MongoDB"],
  ["mongodb", process.env.BYOK_TEST_SECANTUS_URL, "SecantusDB"],
];
for (const [name, url, ...more] of contests) {
  if (wants(name) && url !== undefined) await CONTESTS[name](url, ...more);
}
console.table(rows);
if (wants("memory")) await memory();
