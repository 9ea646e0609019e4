// Requests for every capability and what must be sent for them: the fixtures of the Rust suite, which
// checks the mapping alone. Here they go through the whole stack.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Capability } from "../../dist/index.js";
import type { Json } from "./recordings.js";

const FOLDER = join(__dirname, "../../crates/byok-core/tests/fixtures");

export interface CapabilityCase {
  provider: string;
  name: string;
  capability: Capability;
  model?: string;
  stream?: boolean;
  /** Fields of the credential beside the key. */
  fields?: Record<string, string>;
  request: Json;
  /** Words of the refusal. */
  refused?: string;
  /** Absent when the request is refused. */
  sent?: {
    path: string;
    /** In it, `the audio` stands for the caller's in base64. */
    json?: Json;
    /** `the audio`: the caller's as it is. */
    body?: string;
    form?: [name: string, value: Json][];
    headers?: Record<string, string>;
    warnings?: string[];
  };
}

/** All of them; attachments (`{ "$bytes": n }`) are bytes already. */
export function loadCases(): CapabilityCase[] {
  const all: CapabilityCase[] = [];
  for (const entry of readdirSync(FOLDER, { withFileTypes: true })) {
    const file = join(FOLDER, entry.name, "capabilities.json");
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      continue; // a provider of other fixtures
    }
    for (const fixture of JSON.parse(text).requests) {
      const { attachments = [], ...rest } = fixture;
      const request = withBytes(rest.request, attachments);
      all.push({ ...rest, provider: entry.name, request });
    }
  }
  return all;
}

function withBytes(value: Json, attachments: string[]): Json {
  if (Array.isArray(value)) return value.map((item) => withBytes(item, attachments));
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$bytes === "number")
    return Buffer.from(attachments[value.$bytes] ?? "", "base64");
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, withBytes(item, attachments)]),
  );
}
