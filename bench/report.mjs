// Turns measurements into tables: medians over the rounds, ratios to undici by hand, and the aims. A
// ratio is taken within each round, where both met the same machine, and then the median of those.

const BASE = "undici";
const SDKS = ["openai", "ai"];

export const TITLES = {
  "byok-ai": "byok-ai",
  undici: "undici by hand",
  "undici-timeout": "undici with a timeout",
  fetch: "fetch by hand",
  openai: "openai SDK",
  ai: "ai SDK",
};

const JOBS = {
  chat: "chat",
  stream: "chatStream, 100 deltas in one write",
  each: "chatStream, 100 deltas, a write for each",
};

/** @param results one entry a contestant: `{ chat, stream, each, memory }`, arrays of measurements */
export function report(results) {
  const lines = [];
  for (const [job, title] of Object.entries(JOBS)) {
    const perDelta = job !== "chat";
    lines.push(`### ${title}`, "");
    const unit = perDelta ? "delta" : "call";
    lines.push(
      `| | ${unit}s/s | CPU µs a ${unit} | main thread µs a ${unit} | CPU, undici = 1 | main thread, undici = 1 |`,
      "|---|---:|---:|---:|---:|---:|",
    );
    for (const [name, measured] of Object.entries(results)) {
      const row = summary(measured[job]);
      const count = perDelta ? measured[job][0].deltas : 1;
      const digits = perDelta ? 2 : 0;
      const cells = [
        (row.callsPerSecond * count).toFixed(0),
        (row.cpuMicros / count).toFixed(digits),
        (row.mainMicros / count).toFixed(digits),
        ratio(measured[job], results[BASE][job], "cpuMicros").toFixed(2),
        ratio(measured[job], results[BASE][job], "mainMicros").toFixed(2),
      ];
      lines.push(`| ${TITLES[name]} | ${cells.join(" | ")} |`);
    }
    lines.push("");
  }
  lines.push(
    "### Memory at 500 calls/s",
    "",
    "| | growth MiB | resident MiB | calls/s kept |",
    "|---|---:|---:|---:|",
  );
  for (const [name, { memory }] of Object.entries(results)) {
    const cells = ["growthMiB", "rssMiB", "callsPerSecond"].map((field) =>
      median(memory.map((m) => m[field])).toFixed(1),
    );
    lines.push(`| ${TITLES[name]} | ${cells.join(" | ")} |`);
  }
  lines.push(
    "",
    "### Aims",
    "",
    "| aim for byok-ai | measured | |",
    "|---|---:|---|",
    ...aims(results),
  );
  return lines.join("\n");
}

function aims(results) {
  const mine = results["byok-ai"];
  const toBase = (job, field) => ratio(mine[job], results[BASE][job], field);
  const rows = [
    ["at most 0.5 of undici's CPU a call", toBase("chat", "cpuMicros"), 0.5],
    ["at most 0.25 of undici's main thread a call", toBase("chat", "mainMicros"), 0.25],
    ["at most 0.5 of undici's CPU a delta, one write", toBase("stream", "cpuMicros"), 0.5],
    ["at most 0.5 of undici's CPU a delta, a write each", toBase("each", "cpuMicros"), 0.5],
  ].map(([aim, value, limit]) => line(aim, value.toFixed(2), value <= limit));
  for (const sdk of SDKS.filter((name) => results[name])) {
    for (const [job, unit] of [
      ["chat", "call"],
      ["stream", "delta, one write"],
      ["each", "delta, a write each"],
    ]) {
      const times = ratio(results[sdk][job], mine[job], "cpuMicros");
      const aim = `${TITLES[sdk]} needs at least 15 times the CPU a ${unit}`;
      rows.push(line(aim, `${times.toFixed(1)}x`, times >= 15));
    }
  }
  const growth = median(results["byok-ai"].memory.map((m) => m.growthMiB));
  rows.push(
    line(
      "memory grows by less than 10 MB at 500 calls/s",
      `${growth.toFixed(1)} MiB`,
      growth * 1.048576 < 10,
    ),
  );
  return rows;
}

function line(aim, measured, met) {
  return `| ${aim} | ${measured} | ${met ? "met" : "**not met**"} |`;
}

/** How many times as much `ours` needs as `theirs` did in the same round. */
function ratio(ours, theirs, field) {
  return median(ours.map((round, index) => round[field] / theirs[index][field]));
}

/** The median of each number, over the rounds. */
function summary(rounds) {
  const fields = ["callsPerSecond", "cpuMicros", "mainMicros"];
  return Object.fromEntries(
    fields.map((field) => [field, median(rounds.map((round) => round[field]))]),
  );
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
