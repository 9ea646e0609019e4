// The rotation while everything else goes on, in processes of their own: readers, users who change and delete
// keys, two rival rotations. And the rotation that is killed.
//
// `npm test` runs it small. BYOK_ROTATION_RECORDS=1000000 BYOK_ROTATION_KILLS=200 runs it as bench/README.md reports.

import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { BYOK } from "byok-ai";
import pg from "pg";
import { Process } from "./rotation/processes.mjs";
import { openStore, removeStore, scan, seed } from "./rotation/stores.mjs";
import { open } from "./support/reference-vault.mjs";

const RECORDS = Number(process.env.BYOK_ROTATION_RECORDS ?? 20_000);
const KILLS = Number(process.env.BYOK_ROTATION_KILLS ?? 5);
const MOST_GROWTH = 32 * 2 ** 20;
const KILL_RECORDS = 2_000;
const KILL_BATCH = { batchSize: 20, concurrency: 2 };

const [OLD, NEW] = [0, 1].map(() => randomBytes(32).toString("base64"));
const firstKey = (user) => `sk-${user}-0-${"x".repeat(40)}`;

const folder = mkdtempSync(join(tmpdir(), "byok-rotation-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const url = process.env.BYOK_TEST_POSTGRES_URL;
const PLACES = {
  SQLite: (name) => ({ path: join(folder, `${name}.sqlite`) }),
  PostgreSQL: (name) => ({ url, table: `byok_rotation_${name}_${process.pid}` }),
};

for (const [product, place] of Object.entries(PLACES)) {
  const absent = product === "PostgreSQL" && url === undefined;
  describe(product, { skip: absent && !process.env.CI ? absence() : false }, () => {
    before(() => assert.ok(!absent, absence()));
    test(`${product}: ${RECORDS} records rotate under load, and nothing is lost`, (t) =>
      underLoad(place("load"), t));
    test(`${product}: a rotation that is killed goes on where it was, ${KILLS} times`, (t) =>
      killed(place, t));
  });
}

function absence() {
  const reason = process.env.BYOK_TEST_POSTGRES_URL_MISSING;
  return `BYOK_TEST_POSTGRES_URL names no server: ${reason ?? "run `npm run services`"}`;
}

async function underLoad(place, t) {
  t.after(() => removeStore(place));
  await removeStore(place);
  await seed(place, OLD, RECORDS, firstKey);

  const both = { place, current: NEW, previous: [OLD] };
  const stable = Math.floor(RECORDS * 0.9);
  const half = Math.floor(RECORDS / 2);
  const load = [
    new Process({ do: "read", ...both, users: stable, seed: 1 }),
    new Process({ do: "read", ...both, users: stable, seed: 2 }),
    new Process({ do: "change", ...both, from: 0, users: half, stable }),
    new Process({ do: "change", ...both, from: half, users: RECORDS - half, stable }),
  ];
  const begun = Date.now();
  const rivals = [1, 2].map(() => new Process({ do: "rewrap", ...both, records: RECORDS }));
  const results = await Promise.all(rivals.map((rival) => rival.result()));
  const seconds = (Date.now() - begun) / 1_000;
  for (const one of load) one.tell();
  const [first, second, ...changers] = await Promise.all(load.map((one) => one.result()));

  const rewrapped = results.reduce((sum, { report }) => sum + report.rewrapped, 0);
  for (const { report, grew } of results) {
    assert.equal(report.failed, 0);
    assert.equal(report.previousKeysNeeded, false);
    assert.ok(grew.fromATenth < MOST_GROWTH, JSON.stringify(grew));
  }
  assert.ok(rewrapped <= RECORDS, "no record is moved twice");
  const changed = Object.assign({}, ...changers.map(({ last }) => last));
  assert.ok(first.reads > 0 && second.reads > 0 && Object.keys(changed).length > 0);

  const found = await everyKey(place);
  for (let user = 0; user < RECORDS; user++) {
    const expected = user in changed ? changed[user] : firstKey(user);
    assert.equal(found.get(`user_${user}`) ?? null, expected);
  }
  t.diagnostic(
    `${seconds.toFixed(1)} s; two rivals moved ${rewrapped}, gave way ${results.map(({ report }) => report.skipped).join(" and ")} ` +
      `times and grew by ${results.map(({ grew }) => mib(grew.fromTheStart)).join(" and ")} MiB, after a tenth by ` +
      `${results.map(({ grew }) => mib(grew.fromATenth)).join(" and ")} MiB; meanwhile ` +
      `${first.reads + second.reads} reads, ${Object.keys(changed).length} users changed keys`,
  );
}

/** Kills a rotation at a random record, lets another one finish, and counts what was done twice. */
async function killed(place, t) {
  const original = place("original");
  const copy = place("copy");
  t.after(() => Promise.all([original, copy].map(removeStore)));
  await removeStore(original);
  await seed(original, OLD, KILL_RECORDS, firstKey);

  let handed = 0;
  let points = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await copyStore(original, copy);
    const both = { place: copy, current: NEW, previous: [OLD], ...KILL_BATCH };
    const point = randomInt(KILL_RECORDS);
    let passed = 0;
    const victim = new Process({ do: "rewrap", ...both, count: true }, (line) => {
      passed += line.handed ?? 0;
      if (passed >= point) victim.kill();
    });
    const { signal } = await victim.ended;
    const second = new Process({ do: "rewrap", ...both, count: true });
    const { report } = await second.result();
    assert.equal(report.failed, 0);
    assert.equal(report.previousKeysNeeded, false);
    if (signal === "SIGKILL") points += 1;
    handed += sum(victim.lines) + sum(second.lines);

    const found = await everyKey(copy);
    assert.equal(found.size, KILL_RECORDS);
    for (let user = 0; user < KILL_RECORDS; user++) {
      assert.equal(found.get(`user_${user}`), firstKey(user));
    }
  }
  const work = handed / (KILLS * KILL_RECORDS);
  assert.ok(points > KILLS * 0.8, `${points} of ${KILLS} were killed before they were done`);
  assert.ok(work >= 1 && work <= 1.05, `${work} of one pass`);
  t.diagnostic(`killed ${points} times; work in all: ${work.toFixed(4)} of one pass`);
}

const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
const sum = (lines) => lines.reduce((total, line) => total + (line.handed ?? 0), 0);

async function copyStore(from, to) {
  await removeStore(to);
  if (from.path !== undefined) return copyFileSync(from.path, to.path);
  const { end } = await openStore(to);
  await end();
  const pool = new pg.Pool({ connectionString: to.url, max: 1 });
  await pool.query(`INSERT INTO ${to.table} SELECT * FROM ${from.table}`);
  await pool.end();
}

/** Each user's key, opened under the new master key alone by the other implementation of the format. */
async function everyKey(place) {
  const { store, end } = await openStore(place);
  const byok = new BYOK({ masterKey: NEW, store });
  const report = await byok.checkKeys({ open: true });
  assert.equal(report.failed, 0, JSON.stringify(report));
  const master = Buffer.from(NEW, "base64");
  const found = new Map();
  for await (const record of scan(store)) {
    found.set(record.userId, open(master, record, record.sealed).apiKey);
  }
  await byok.close();
  await end();
  return found;
}
