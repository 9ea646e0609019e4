// A key never follows a redirect: whatever the status and wherever it points, the request ends with an
// error that names the target's host alone, and the other server hears nothing.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { BYOK, MemoryStore } from "../dist/index.js";
import { failsWith, MASTER, PROVIDERS } from "./support/library.js";

const CREDENTIALS = { openai: "authorization", anthropic: "x-api-key", gemini: "x-goog-api-key" };
const apiKey = "sk-redirected-0123456789abcdef";
const seen = { first: [] as string[], sink: 0 };
let target = "";
let status = 302;
let first: Server;
let sink: Server;

const portOf = (server: Server) => (server.address() as AddressInfo).port;

before(async () => {
  first = createServer((request, response) => {
    request.resume();
    seen.first.push(JSON.stringify(request.headers));
    response.writeHead(status, { location: target }).end();
  }).listen(0, "127.0.0.1");
  sink = createServer((_, response) => {
    seen.sink += 1;
    response.end("{}");
  }).listen(0);
  sink.on("connection", () => {
    seen.sink += 1;
  });
  await Promise.all([once(first, "listening"), once(sink, "listening")]);
});

after(() => {
  first.close();
  sink.close();
});

for (const provider of PROVIDERS) {
  test(`${provider}: no redirect is followed, to any host or port`, async () => {
    const byok = new BYOK({
      masterKey: MASTER,
      store: new MemoryStore(),
      providers: {
        [provider]: { baseURL: `http://127.0.0.1:${portOf(first)}`, allowPrivateNetwork: true },
      },
    });
    await byok.registerKey({ userId: "u", provider, apiKey, validate: false });
    const user = byok.use("u");
    const targets = [
      `http://127.0.0.1:${portOf(first)}/elsewhere?secret=1`,
      `http://127.0.0.1:${portOf(sink)}/elsewhere?secret=1`,
      `http://localhost:${portOf(sink)}/elsewhere?secret=1`,
    ];
    const attempts = [
      () => user.chat({ prompt: "x" }),
      () => user.chatStream({ prompt: "x" }).result,
      () => byok.registerKey({ userId: "v", provider, apiKey }),
      () => byok.verifyKey({ userId: "u", provider }),
    ];
    for (status of [301, 302, 303, 307, 308]) {
      for (target of targets) {
        for (const attempt of attempts) {
          seen.first = [];
          await assert.rejects(attempt, (error) => {
            failsWith("PROVIDER_ERROR", new RegExp(new URL(target).hostname))(error);
            assert.doesNotMatch(String(error), /elsewhere|secret/);
            return true;
          });
          assert.equal(seen.first.length, 1, "sent once, and nothing after it");
          assert.match(
            seen.first[0] ?? "",
            new RegExp(`"${CREDENTIALS[provider]}":"[^"]*${apiKey}`),
          );
        }
      }
    }
    assert.equal(await byok.hasKey({ userId: "v", provider }), false);
    assert.equal(seen.sink, 0);
    await byok.close();
  });
}
