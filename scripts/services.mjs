// The databases that tests need: each is found running, else started from what is installed or from what
// can be installed, and says which. `npm test` starts and stops them by itself; by hand:
//
//   npm run services            start what does not run, in the background, and print the variables
//   npm run services -- stop    end what was started, and delete its data
//
// A variable that is set (BYOK_TEST_POSTGRES_URL and so on) names the server to use. `--fresh` ignores what
// runs and starts everything anew.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages, root, step } from "./prepare.mjs";

const STATE = join(root, "target", "services", "started.json");

/** The drivers are packages of this clone, so they are imported when they are there. */
async function all() {
  const [postgres, mysql, redis, kms, { secantus, nx27017, mongodb }] = await Promise.all([
    import("./services/postgres.mjs"),
    import("./services/mysql.mjs"),
    import("./services/redis.mjs"),
    import("./services/kms.mjs"),
    import("./services/mongodb.mjs"),
  ]);
  return [postgres, mysql, redis, kms, secantus, nx27017, mongodb];
}

/** Makes every service available, sets its variable in this process's environment, and says how it was had.
 * What can't be had gets a variable that ends in `_MISSING` with the reason: tests are skipped for it, and
 * fail where CI is set. */
export async function startServices({ fresh = false } = {}) {
  step("Services for tests");
  for (const service of await all()) await provide(service, fresh);
}

async function provide(service, fresh) {
  const { name, variable, optional } = service;
  const given = process.env[variable] ?? readState()[variable]?.url;
  if (given !== undefined) {
    const answers = await service.check(given).catch((error) => error);
    if (answers === true) return had(variable, given, `${name}: the one that ${variable} names`);
    if (process.env[variable] !== undefined) {
      return missing(service, `${variable} names one that does not answer: ${answers.message}`);
    }
  }
  const running = fresh ? undefined : await service.findRunning();
  if (running !== undefined) return had(variable, running, `${name}: runs already`);
  if (optional !== undefined) return console.log(`${name}: not tested; ${optional}`);
  const reasons = [];
  for (const [way, start] of service.ways) {
    const folder = mkdtempSync(join(tmpdir(), "byok-service-"));
    try {
      const { url, pid } = await start(folder);
      writeState({ ...readState(), [variable]: { url, pid, folder } });
      return had(variable, url, `${name}: started from ${way}`);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      reasons.push(`${way}: ${error.message}`);
    }
  }
  missing(service, reasons.join("\n"));
}

function had(variable, url, said) {
  process.env[variable] = url;
  console.log(said);
}

function missing({ name, variable }, reason) {
  process.env[`${variable}_MISSING`] = reason;
  console.log(`${name}: not available; its tests ${process.env.CI ? "fail" : "are skipped"}.`);
  console.log(reason.replace(/^/gm, "    "));
}

/** Ends what {@link startServices} started, here or in an earlier run, and deletes its data. */
export async function stopServices() {
  const services = await all();
  for (const [variable, { url, pid, folder }] of Object.entries(readState())) {
    // After a restart of the machine its process id may be another's.
    const service = services.find((each) => each.variable === variable);
    if (await service?.check(url).catch(() => false)) await end(pid);
    rmSync(folder, { recursive: true, force: true });
    delete process.env[variable];
  }
  rmSync(STATE, { force: true });
}

/** The process and its own children: each was started as the leader of a group. */
async function end(pid) {
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    try {
      process.kill(-pid, signal);
    } catch {
      return; // It is gone.
    }
    const deadline = Date.now() + 5_000;
    while (isAlive(pid) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (!isAlive(pid)) return;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function readState() {
  try {
    return JSON.parse(readFileSync(STATE, "utf8"));
  } catch {
    return {};
  }
}

function writeState(state) {
  mkdirSync(dirname(STATE), { recursive: true });
  writeFileSync(STATE, JSON.stringify(state, null, 2));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("stop")) {
    await stopServices();
  } else {
    installPackages();
    await startServices({ fresh: process.argv.includes("--fresh") });
    const variables = Object.entries(process.env).filter(([name]) =>
      /^BYOK_TEST_.*_URL$/.test(name),
    );
    console.log(variables.map(([name, url]) => `export ${name}='${url}'`).join("\n"));
  }
}
