// Reports as text for people. Ids are shown as JSON, so that no odd one can write to the terminal.

import type { KeyReport, KeyUse, RecordFailure, RewrapReport } from "../types.js";

export function keyReport(report: KeyReport, name: string, opened: boolean): string {
  const lines = [`${count(report.records, "record")} in ${name}`, ...report.keys.map(keyLine)];
  if (report.failed > 0) lines.push(...failureLines(report.failed, report.failures));
  else if (opened) lines.push("All of them open.");
  return `${lines.join("\n")}\n`;
}

export function rewrapReport(report: RewrapReport, name: string): string {
  const seconds = (report.durationMs / 1_000).toFixed(1);
  const lines = [`${count(report.rewrapped, "record")} rewrapped in ${name}, ${seconds} s`];
  if (report.skipped > 0) {
    lines.push(`${count(report.skipped, "record")} had been changed by someone else first`);
  }
  if (report.failed > 0) lines.push(...failureLines(report.failed, report.failures));
  lines.push(...report.needed.map(keyLine));
  lines.push(
    report.previousKeysNeeded
      ? "Keep the previous keys: records still need them."
      : "No record needs a previous key any more.",
  );
  return `${lines.join("\n")}\n`;
}

function keyLine({ kid, role, records }: KeyUse): string {
  return `  ${kid}  ${role.padEnd(8)}  ${records.toLocaleString("en")}`;
}

function failureLines(failed: number, failures: RecordFailure[]): string[] {
  const lines = failures.map(({ code, namespace, userId, provider, label, kid }) => {
    const id = [namespace, userId, provider, label].map((part) => JSON.stringify(part)).join(" ");
    return `  ${code}  ${id}${kid === undefined ? "" : `  under ${kid}`}`;
  });
  const more = failed - failures.length;
  if (more > 0) lines.push(`  and ${more.toLocaleString("en")} more`);
  return [
    `${count(failed, "record")} can't be opened (namespace, user, provider, label):`,
    ...lines,
  ];
}

function count(records: number, noun: string): string {
  return `${records.toLocaleString("en")} ${noun}${records === 1 ? "" : "s"}`;
}
