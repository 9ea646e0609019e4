// A Prisma client as applications have it, over PostgreSQL.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { PrismaStore } from "../../../dist/stores/prisma.js";
import { Clients, type Database, database, newTable, type Tested } from "./database.js";
import { hasty } from "./postgres.js";

export const PRISMA: Tested[] = [
  {
    name: "PrismaStore over @prisma/adapter-pg",
    variable: "BYOK_TEST_POSTGRES_URL",
    requires: ["replace", "scan"],
    open: prismaDatabase,
  },
];

/** The client that `prisma generate` makes of the model in docs/stores.md, with its own migration. */
async function prismaDatabase(url: string): Promise<Database> {
  const folder = join(__dirname, "../../../target/prisma-test");
  const script = join(__dirname, "../../../scripts/services/prisma-client.mjs");
  execFileSync(process.execPath, [script, folder], { stdio: ["ignore", "ignore", "inherit"] });
  const { PrismaClient } = require(join(folder, "client", "client.js"));
  const admin = new pg.Pool({ connectionString: hasty(url), max: 1 });
  const schema = newTable();
  const table = `${schema}.byok_keys`;
  await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await admin.query(`CREATE SCHEMA ${schema}`);
  await admin.query(`CREATE TABLE ${table} (
    id text PRIMARY KEY, owner text NOT NULL, "sealedUnder" text NOT NULL,
    namespace text NOT NULL, "userId" text NOT NULL, provider text NOT NULL, label text NOT NULL,
    sealed text NOT NULL, status text NOT NULL, hint text NOT NULL, fingerprint text NOT NULL,
    "createdAt" timestamp(3) NOT NULL, "updatedAt" timestamp(3) NOT NULL,
    "verifiedAt" timestamp(3), metadata text)`);
  await admin.query(`CREATE INDEX ON ${table} (owner)`);
  await admin.query(`CREATE INDEX ON ${table} ("sealedUnder", id)`);
  const connect = () => {
    const pool = new pg.Pool({ connectionString: hasty(url) });
    return { pool, prisma: new PrismaClient({ adapter: new PrismaPg(pool, { schema }) }) };
  };
  const clients = new Clients(connect, async ({ pool, prisma }) => {
    await prisma.$disconnect();
    await pool.end();
  });
  return await database(clients, ({ prisma }) => new PrismaStore(prisma.byokKey), {
    empty: () => admin.query(`DELETE FROM ${table}`),
    async edit(userId, columns) {
      const own = { ...columns };
      if (own["userId"] !== undefined) {
        // A thorough attacker moves the row as the store would find it.
        const hash = (parts: string[]) =>
          createHash("sha256").update(JSON.stringify(parts)).digest("hex");
        const id = ["default", own["userId"]];
        own["owner"] = hash(id);
        own["id"] = hash([...id, "openai", "default"]);
      }
      const set = Object.keys(own).map((name, n) => `"${name}" = $${n + 1}`);
      const values = [...Object.values(own), userId];
      const where = `WHERE "userId" = $${values.length}`;
      await admin.query(`UPDATE ${table} SET ${set.join(", ")} ${where}`, values);
    },
    unmade: () => {
      const adapter = new PrismaPg(admin, { schema: "byok_test_nowhere" });
      const prisma = new PrismaClient({ adapter });
      return { store: new PrismaStore(prisma.byokKey), drop: () => prisma.$disconnect() };
    },
    async close() {
      await admin.query(`DROP SCHEMA ${schema} CASCADE`);
      await admin.end();
      rmSync(folder, { recursive: true, force: true });
    },
  });
}
