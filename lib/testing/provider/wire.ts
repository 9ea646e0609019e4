// Looks at what was sent: where the key is, and where an option went.

import assert from "node:assert/strict";
import type { Context } from "./context.js";
import type { Behaviour, SeenRequest } from "./server.js";

/** The key went out in one header of the request, and nowhere else. */
export function sentOnce(c: Context, seen: SeenRequest | undefined): void {
  assert.ok(seen !== undefined, "nothing was sent");
  assert.ok(seen.url.startsWith("/base/"), `${seen.url} is not below the base URL`);
  assert.ok(!decoded(seen.url).includes(c.key), "the key is in the URL");
  const raw = seen.body.toString("latin1");
  const encoded = Buffer.from(c.key).toString("base64").slice(0, 40);
  assert.ok(!raw.includes(c.key) && !raw.includes(encoded), "the key is in the body");
  const carriers = Object.entries(seen.headers).filter(([, value]) => value.includes(c.key));
  assert.equal(carriers.length, 1, "the key is in one header");
  const { credential } = c.options;
  if (credential !== undefined) {
    const [name, value] = carriers[0] ?? [];
    assert.equal(name, credential.header.toLowerCase());
    assert.equal(value, `${credential.prefix ?? ""}${c.key}`);
  }
}

/** Everything of a request that can carry an option. */
export function textOf(seen: SeenRequest): string {
  return `${decoded(seen.url)}\n${JSON.stringify(seen.headers)}\n${seen.body.toString("utf8")}`;
}

function decoded(url: string): string {
  return decodeURIComponent(url.replaceAll("+", " "));
}

/** An error that repeats the key, as providers do. */
export function echoing(c: Context, status: number): Behaviour {
  const { key } = c;
  return (request, response) => {
    const what = status === 401 ? "Incorrect API key provided" : "This went wrong for the key";
    const said = `${what}: ${key} (also ${key.slice(0, 30)}***${key.slice(-12)})`;
    const error = { message: said, type: "conformance", request: request.headers };
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ error, message: said, detail: said }));
  };
}
