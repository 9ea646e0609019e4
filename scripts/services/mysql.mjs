// MariaDB (or MySQL) for tests: a running one, an installed one, Debian's.

import { join } from "node:path";
import mysql from "mysql2/promise";
import {
  findProgram,
  freePort,
  installDebian,
  isRoot,
  runQuietly,
  startServer,
} from "./server.mjs";

export const name = "MariaDB";
export const variable = "BYOK_TEST_MYSQL_URL";

export async function findRunning() {
  const url = "mysql://root@127.0.0.1:3306";
  return (await check(url).catch(() => false)) ? url : undefined;
}

export async function check(url) {
  const connection = await mysql.createConnection({ uri: url, connectTimeout: 2_000 });
  connection.on("error", () => {});
  try {
    await connection.query("SELECT 1");
    return true;
  } finally {
    await connection.end();
  }
}

export const ways = [
  ["installed programs", start],
  [
    "Debian's packages",
    (folder) => {
      installDebian(["mariadb-server"]);
      return start(folder);
    },
  ],
];

async function start(folder) {
  const server = findProgram("mariadbd") ?? findProgram("mysqld");
  const install = findProgram("mariadb-install-db") ?? findProgram("mysql_install_db");
  if (server === undefined) throw new Error("mariadbd is not installed.");
  const data = join(folder, "data");
  const asRoot = isRoot ? ["--user=root"] : [];
  if (install === undefined) {
    runQuietly(server, ["--no-defaults", "--initialize-insecure", `--datadir=${data}`, ...asRoot]);
  } else {
    const login = ["--auth-root-authentication-method=normal", "--skip-test-db"];
    runQuietly(install, ["--no-defaults", `--datadir=${data}`, ...login, ...asRoot]);
  }
  const port = await freePort();
  const url = `mysql://root@127.0.0.1:${port}`;
  const args = [
    ...["--no-defaults", `--datadir=${data}`, `--port=${port}`, "--bind-address=127.0.0.1"],
    ...[`--socket=${join(folder, "s")}`, `--pid-file=${join(folder, "pid")}`, ...asRoot],
  ];
  return { url, pid: await startServer(server, args, { folder, answers: () => check(url) }) };
}
