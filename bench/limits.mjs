// node bench/limits.mjs: what limits and usage cost a call in this process, and how much memory a user's
// limits take. It measures the core alone, in release; it asserts nothing.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(new URL(".", import.meta.url)), "..");
const output = execFileSync(
  "cargo",
  ["run", "--release", "--quiet", "-p", "byok-core", "--example", "limits_cost"],
  { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
);
const { limitsNs, usageNs, eventNs, bytesPerUser, keys } = JSON.parse(output);
const us = (ns) => `${(ns / 1000).toFixed(2)} µs`;
console.log(`| | |
|---|---:|
| three rules (requests, tokens, calls at once), corrected afterwards | ${us(limitsNs)} a call |
| one event, priced and kept in memory (${us(eventNs)} of it to make the event) | ${us(usageNs)} a call |
| both | ${us(limitsNs + usageNs)} a call |
| one rule for ${keys.toLocaleString("en")} users | ${bytesPerUser} bytes a user |`);
