// Redis for tests: a running one, an installed one (or Valkey), Debian's.

import { connect } from "node:net";
import { findProgram, freePort, installDebian, startServer } from "./server.mjs";

export const name = "Redis";
export const variable = "BYOK_TEST_REDIS_URL";

export async function findRunning() {
  const url = "redis://127.0.0.1:6379";
  return (await check(url).catch(() => false)) ? url : undefined;
}

/** In its own few bytes, so that no client's reconnecting gets in the way. */
export function check(url) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || 6379), timeout: 2_000 });
    socket.on("connect", () => socket.write("PING\r\n"));
    socket.on("data", (answer) => {
      socket.destroy();
      if (answer.toString().startsWith("+PONG")) resolve(true);
      else reject(new Error(`It answered PING with ${answer}`));
    });
    socket.on("timeout", () => socket.destroy(new Error("It did not answer.")));
    socket.on("error", reject);
  });
}

export const ways = [
  ["installed programs", start],
  [
    "Debian's packages",
    (folder) => {
      installDebian(["redis-server"]);
      return start(folder);
    },
  ],
];

async function start(folder) {
  const server = findProgram("redis-server") ?? findProgram("valkey-server");
  if (server === undefined) throw new Error("redis-server is not installed.");
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder];
  return { url, pid: await startServer(server, args, { folder, answers: () => check(url) }) };
}
