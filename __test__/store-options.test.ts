// What the stores over databases take, refuse and document, without a database.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MongoStore } from "../dist/stores/mongodb.js";
import { MySqlStore } from "../dist/stores/mysql.js";
import { PostgresStore } from "../dist/stores/postgres.js";
import { PrismaStore } from "../dist/stores/prisma.js";
import { RedisStore } from "../dist/stores/redis.js";
import { failsWith } from "./support/library.js";

const never = async () => assert.fail("no statement may be sent");
const pg = { query: never };
const mysql = { execute: never };
const refused = (make: () => unknown, message: RegExp) =>
  assert.throws(make, failsWith("INVALID_ARGUMENT", message));

test("the name of a table is letters, digits and underscores, and nothing else ever", () => {
  for (const table of [
    "",
    "a b",
    "a;DROP TABLE x",
    'a"b',
    "a`b",
    "a'b",
    "a-b",
    "1a",
    "a.b.c",
    ".a",
    "a.",
    "ä",
    "a\0",
    "a\n",
    "a".repeat(41),
  ]) {
    refused(() => new PostgresStore(pg, { table }), /table must be a name/);
    refused(() => PostgresStore.schema({ table }), /table must be a name/);
    refused(() => new MySqlStore(mysql, { table }), /table must be a name/);
  }
  refused(() => new PostgresStore(pg, { table: 5 as never }), /table must be a string/);
  new PostgresStore(pg, { table: "Keys_2" });
  assert.match(PostgresStore.schema({ table: "app.Keys_2" })[0] ?? "", /"app"\."Keys_2" \(/);
  assert.match(PostgresStore.schema({ table: "app.Keys_2" })[1] ?? "", / "Keys_2_by_master_key" /);
  assert.match(MySqlStore.schema({ table: "app.Keys_2" })[0] ?? "", /`app`\.`Keys_2` \(/);
});

test("unknown options are refused with the nearest right one", () => {
  refused(() => new PostgresStore(pg, { tabel: "x" } as never), /Did you mean table/);
  refused(
    () => new PostgresStore(pg, { prepare: "yes" as never }),
    /prepare must be true or false/,
  );
  refused(() => new MySqlStore(mysql, { prepare: true } as never), /no option prepare/);
  const redis = { hget: never, eval: never, evalsha: never };
  refused(() => new RedisStore(redis, { prefx: "x" } as never), /Did you mean prefix/);
  for (const prefix of ["", "x".repeat(201), 5 as never]) {
    refused(() => new RedisStore(redis, { prefix }), /prefix must be a string/);
  }
});

test("another kind of client is refused by saying which are taken", () => {
  for (const client of [undefined, null, 5, "postgres://localhost", {}, () => {}]) {
    refused(() => new PostgresStore(client as never), /takes a Pool or Client of pg/);
    refused(() => new MySqlStore(client as never), /takes a pool or connection of mysql2/);
    refused(() => new MongoStore(client as never), /takes a collection/);
    refused(() => new PrismaStore(client as never), /takes a model of a Prisma client/);
    refused(() => new RedisStore(client as never), /takes a client of ioredis or redis/);
  }
  // A database's client where its collection, model or the like is wanted.
  refused(() => new MongoStore({ db: never, connect: never } as never), /collection/);
});

test("the documentation has the statements that migrate() runs", () => {
  const text = readFileSync(join(__dirname, "../docs/stores.md"), "utf8");
  const statements = [...PostgresStore.schema(), ...MySqlStore.schema()];
  assert.equal(statements.length, 3);
  for (const statement of statements) assert.ok(text.includes(`${statement};`), statement);
});
