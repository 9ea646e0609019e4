// How fast a rotation is: without a database, in SQLite and in PostgreSQL, each against a bare loop of the
// driver that updates the same rows in the same batches, without any cryptography. It asserts nothing.
//
//   node bench/rotation.mjs [--records 100000] [--rounds 3] [--no-build]
//
// PostgreSQL is the server that BYOK_TEST_POSTGRES_URL names; without it, that part is left out.

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openStore, removeStore, seed } from "../__test__/rotation/stores.mjs";
import { BYOK } from "../dist/index.js";

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    records: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
    build: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const records = Number(values.records);
const rounds = Number(values.rounds);
const BATCH = 500;
const AT_ONCE = 4;

if (values.build) {
  run("cargo", ["build", "--release", "--quiet", "-p", "byok-vault", "--examples"]);
  run("cargo", ["build", "--release", "--quiet", "-p", "byok-core", "--examples"]);
  run("npm", ["run", "--silent", "build:release"]);
}

const example = (name, ...args) =>
  run(join(root, "target/release/examples", name), args, "pipe")
    .trim()
    .split("\n");

const rows = [];
const alone = example("reseal_speed", String(records)).map((line) => Number.parseFloat(line));
rows.push(["without a database, one core", alone, []]);
const sqlite = example("rotation_speed", String(records), String(rounds)).map(JSON.parse);
rows.push(["SQLite", sqlite.map(({ rewrap }) => rewrap), sqlite.map(({ bare }) => bare)]);
if (process.env.BYOK_TEST_POSTGRES_URL !== undefined) {
  const found = [];
  for (let round = 0; round < rounds; round++) found.push(await postgres());
  rows.push(["PostgreSQL", found.map(([ours]) => ours), found.map(([, bare]) => bare)]);
}

console.log("| | records/s | bare loop, rows/s | ratio within a round |");
console.log("|---|---:|---:|---:|");
for (const [name, ours, bare] of rows) {
  const ratios = ours.map((speed, round) => (bare[round] ? (speed / bare[round]).toFixed(2) : ""));
  const other = bare.length > 0 ? show(median(bare)) : "";
  console.log(
    `| ${name} | ${show(median(ours))} | ${other} | ${ratios.filter(Boolean).join(", ")} |`,
  );
}

/** Records a second of a rotation, and rows a second of the bare loop, over the same table. */
async function postgres() {
  const place = { url: process.env.BYOK_TEST_POSTGRES_URL, table: `byok_bench_${process.pid}` };
  const [oldKey, newKey] = [0, 1].map(() => randomBytes(32).toString("base64"));
  await removeStore(place);
  await seed(place, oldKey, records, (user) => `sk-proj-${String(user).padStart(43, "0")}`);

  const { store, pool, end } = await openStore(place);
  const byok = new BYOK({ masterKeys: { current: newKey, previous: [oldKey] }, store });
  const ours = await timed(async () => {
    const { rewrapped } = await byok.rewrapKeys({ batchSize: BATCH, concurrency: AT_ONCE });
    if (rewrapped !== records) throw new Error(`${rewrapped} records were moved`);
  });
  await pool.query(`VACUUM FULL ANALYZE ${place.table}`);
  const bare = await timed(() => bareLoop(pool, place.table));
  await byok.close();
  await end();
  await removeStore(place);
  return [ours, bare];
}

/** A page read, its rows updated by one statement; as many at once as the rotation has. */
async function bareLoop(pool, table) {
  let last = "";
  let updated = 0;
  const page = async () => {
    const { rows: found } = await pool.query(
      `SELECT user_id, sealed, fingerprint FROM ${table} WHERE (namespace, user_id, provider, label) > ('default', $1, 'openai', 'default')
       ORDER BY namespace, user_id, provider, label LIMIT ${BATCH}`,
      [last],
    );
    last = found.at(-1)?.user_id ?? last;
    return found;
  };
  const update = async (found) => {
    const { rowCount } = await pool.query(
      `UPDATE ${table} AS t SET sealed = v.new, fingerprint = v.fingerprint
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS v (user_id, old, new, fingerprint)
       WHERE t.namespace = 'default' AND t.user_id = v.user_id AND t.provider = 'openai' AND t.label = 'default' AND t.sealed = v.old`,
      [
        found.map((row) => row.user_id),
        found.map((row) => row.sealed),
        found.map((row) => row.sealed.replace("byok1", "byok0")),
        found.map((row) => row.fingerprint),
      ],
    );
    updated += rowCount;
  };
  const underWay = new Set();
  for (;;) {
    const found = await page();
    if (found.length === 0) break;
    const work = update(found).finally(() => underWay.delete(work));
    underWay.add(work);
    if (underWay.size >= AT_ONCE) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  if (updated !== records) throw new Error(`${updated} rows were updated`);
}

async function timed(work) {
  const begun = performance.now();
  await work();
  return (records * 1_000) / (performance.now() - begun);
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

function show(number) {
  return Math.round(number).toLocaleString("en");
}

function run(command, args, stdio = "inherit") {
  const { status, stdout } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", stdio, "inherit"],
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed`);
  return stdout ?? "";
}
