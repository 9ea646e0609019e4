// The providers' API descriptions as JSON Schema validators of request bodies. They lie beside the
// repository, compressed; a clone without them has nothing to compare with.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { parse } from "yaml";

export const SPECS = join(__dirname, "../../../shared/specs");
export const haveSpecs = existsSync(join(SPECS, "openai.json.gz"));

type Schema = { [name: string]: unknown };

export interface SpecOptions {
  /** Refuse properties that an object with listed properties does not list. */
  closed?: boolean;
  /** Schemas whose alternatives overlap in the description, so that one value matches two. */
  overlapping?: readonly string[];
}

const documents = new Map<string, Schema>();

/** A description as the JSON value that it is. */
export function document(file: string): Schema {
  let found = documents.get(file);
  if (!found) {
    const text = gunzipSync(readFileSync(join(SPECS, file))).toString("utf8");
    found = (text.startsWith("{") ? JSON.parse(text) : parse(text)) as Schema;
    documents.set(file, found);
  }
  return found;
}

/** Compiles one named schema and only what it refers to. */
export function validator(file: string, name: string, options: SpecOptions = {}): ValidateFunction {
  const schemas = (document(file) as { components: { schemas: Record<string, Schema> } }).components
    .schemas;
  const $defs: Schema = {};
  const wanted = [name];
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    if (next in $defs) continue;
    const source = schemas[next];
    if (!source) throw new Error(`${file} has no schema ${next}.`);
    const overlaps = options.overlapping?.includes(next) ?? false;
    $defs[next] = adapt(source, { ...options, overlaps }, wanted);
  }
  const ajv = new Ajv2020({ strict: false, allErrors: true, logger: false, validateSchema: false });
  addFormats(ajv);
  // Google takes both alphabets of base64.
  ajv.addFormat("byte", /^[A-Za-z0-9+/_-]*={0,2}$/);
  return ajv.compile({ $ref: `#/$defs/${name}`, $defs });
}

/** OpenAPI's dialect as JSON Schema 2020-12. Adds the names that it refers to to `wanted`. */
function adapt(
  node: unknown,
  options: SpecOptions & { overlaps: boolean },
  wanted: string[],
  isMapOfSchemas = false,
): unknown {
  if (Array.isArray(node)) return node.map((item) => adapt(item, options, wanted));
  if (typeof node !== "object" || node === null) return node;
  const out: Schema = {};
  for (const [key, value] of Object.entries(node)) {
    if (isMapOfSchemas) {
      out[key] = adapt(value, options, wanted);
    } else if (key === "$ref" && typeof value === "string") {
      const target = value.replace("#/components/schemas/", "");
      wanted.push(target.split("/")[0] ?? "");
      out["$ref"] = `#/$defs/${target}`;
    } else if (["example", "examples", "default", "enum", "const"].includes(key)) {
      if (key === "enum" || key === "const") out[key] = value;
    } else if (key === "oneOf" && options.overlaps) {
      out["anyOf"] = adapt(value, options, wanted);
    } else if (key !== "discriminator" && key !== "nullable") {
      out[key] = adapt(value, options, wanted, key === "properties");
    }
  }
  if (isMapOfSchemas) return out;
  if (options.closed && out["properties"] && out["additionalProperties"] === undefined) {
    out["additionalProperties"] = false;
  }
  const isNullable = (node as Schema)["nullable"] === true;
  return isNullable ? { anyOf: [out, { type: "null" }] } : out;
}

/** The same description with closed objects, as text for a server that reads OpenAPI. */
export function closedDocument(file: string): string {
  return JSON.stringify(document(file), (key, value) =>
    value !== null &&
    typeof value === "object" &&
    key !== "properties" &&
    value.type === "object" &&
    typeof value.properties === "object" &&
    value.additionalProperties === undefined
      ? { ...value, additionalProperties: false }
      : value,
  );
}
