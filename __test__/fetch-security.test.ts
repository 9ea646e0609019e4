// Where a key may go through user.fetch, and where it must not be found: a second server counts what reaches it,
// and the heap of a process that makes 100 calls is searched before, during and after them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { inspect } from "node:util";
import OpenAI from "openai";
import { BYOK, type KeyStore, MemoryStore } from "../dist/index.js";
import { failsWith, MASTER } from "./support/library.js";
import { startPractice } from "./support/practice.js";
import { type Answer, headerOf, startWireServer, type WireServer } from "./support/wire-server.js";

const KEY = "sk-secret-0123456789abcdefghij";
let provider: WireServer;
let sink: WireServer;
let answer: Answer;
let byok: BYOK;
let ours: typeof fetch;
let reads = 0;

before(async () => {
  provider = await startWireServer((...all) => answer(...all));
  sink = await startWireServer();
  const memory = new MemoryStore();
  const store: KeyStore = {
    get(id) {
      reads++;
      return memory.get(id);
    },
    set: (record) => memory.set(record),
    delete: (id) => memory.delete(id),
    list(o) {
      reads++;
      return memory.list(o);
    },
  };
  byok = new BYOK({
    masterKey: MASTER,
    store,
    providers: {
      openai: { baseURL: `${provider.origin}/v1`, allowPrivateNetwork: true },
      groq: { allowPrivateNetwork: true, allowUserBaseURL: true },
    },
  });
  await byok.registerKey({ userId: "u", provider: "openai", apiKey: KEY, validate: false });
  ours = byok.use("u").fetch("openai");
});
beforeEach(() => {
  answer = (_, response) => void response.end("{}");
  provider.asked.length = 0;
  reads = 0;
});
after(async () => {
  await byok.close();
  provider.stop();
  sink.stop();
});

test("an SDK that is pointed elsewhere is refused before the key is looked up, and nothing arrives", async () => {
  const { port } = sink;
  for (const baseURL of [
    `http://127.0.0.1:${port}/v1`,
    `http://localhost:${port}/v1`,
    `http://127.0.0.1:${port}/?${provider.origin}/v1`,
    `http://127.0.0.1:${port}/v1#${provider.origin}/v1`,
    "http://api.openai.com/v1",
    "https://api.openai.com.evil.example/v1",
    "https://api.anthropic.com/v1",
    `https://127.0.0.1:${provider.port}/v1`,
  ]) {
    const openai = new OpenAI({ apiKey: "byok", baseURL, fetch: ours, maxRetries: 0 });
    const error = await openai.models.list().catch((error) => error);
    assert.ok(error instanceof OpenAI.APIConnectionError, inspect(error));
    failsWith("INVALID_ARGUMENT")(error.cause);
  }
  for (const url of [
    `http://evil:pw@127.0.0.1:${provider.port}/v1/x`,
    `//127.0.0.1:${port}/x`,
    "file:///etc/passwd",
    "data:text/plain,x",
  ])
    await assert.rejects(ours(url));
  assert.deepEqual([sink.connections, provider.asked.length, reads], [0, 0, 0]);
});

test("no redirect is followed, whatever the status, the target and the way it is asked for", async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    for (const location of [
      `${sink.origin}/steal?secret=1`,
      `//localhost:${sink.port}/`,
      `${provider.origin}/v1/other`,
      "/v1/other",
    ]) {
      answer = (_, response) => void response.writeHead(status, { location }).end();
      for (const redirect of ["follow", "error", undefined] as const) {
        const init = redirect === undefined ? {} : { redirect };
        provider.asked.length = 0;
        const error = await ours(`${provider.origin}/v1/x`, init).catch((error) => error);
        assert.ok(error instanceof TypeError);
        failsWith("PROVIDER_ERROR", /redirect/)(error.cause);
        assert.doesNotMatch(inspect(error), /steal|secret=/);
        assert.equal(provider.asked.length, 1);
      }
      const shown = await ours(`${provider.origin}/v1/x`, { redirect: "manual" });
      assert.deepEqual([shown.status, shown.headers.get("location")], [status, location]);
    }
  }
  assert.equal(sink.connections, 0);
});

test("a Host header and other words about the connection don't move the request", async () => {
  const headers = {
    host: `127.0.0.1:${sink.port}`,
    "proxy-authorization": "Basic eDp5",
    te: "trailers",
    "x-kept": "1",
  };
  await ours(`${provider.origin}/v1/x`, { headers });
  const [asked] = provider.asked;
  assert.equal(headerOf(asked, "host"), `127.0.0.1:${provider.port}`);
  assert.equal(headerOf(asked, "x-kept"), "1");
  assert.equal(headerOf(asked, "proxy-authorization"), undefined);
  assert.equal(headerOf(asked, "te"), undefined);
  assert.equal(sink.connections, 0);
});

test("whatever the caller places as a credential is taken out, and the user's own goes in once", async () => {
  const placed = {
    Authorization: "Bearer the-apps-own",
    "x-api-key": "the-apps-own",
    "API-Key": "the-apps-own",
    "x-goog-api-key": "the-apps-own",
    "xi-api-key": "the-apps-own",
    cookie: "session=the-apps-own",
  };
  await ours(`${provider.origin}/v1/x?a=%20b&key=the-apps-own&c`, { headers: placed });
  const [asked] = provider.asked;
  assert.equal(asked?.path, "/v1/x?a=%20b&c");
  assert.doesNotMatch(JSON.stringify(asked), /the-apps-own/);
  const authorization = asked?.headers.filter(([name]) => name === "authorization");
  assert.deepEqual(authorization, [["authorization", `Bearer ${KEY}`]]);
});

test("requests to the public address go where the app configured", async () => {
  const openai = new OpenAI({ apiKey: "byok", fetch: ours });
  await openai.models.list();
  assert.equal(provider.asked[0]?.path, "/v1/models");
  assert.equal(headerOf(provider.asked[0], "authorization"), `Bearer ${KEY}`);
});

test("a key with an address of its own goes there alone", async () => {
  const own = { userId: "u", provider: "groq", apiKey: KEY, baseURL: `${provider.origin}/mine` };
  await byok.registerKey({ ...own, validate: false });
  const groq = byok.use("u").fetch("groq");
  await groq("https://api.groq.com/openai/v1/models");
  await groq(`${provider.origin}/mine/models`);
  assert.deepEqual(
    provider.asked.map(({ path }) => path),
    ["/mine/models", "/mine/models"],
  );
  for (const url of [`${sink.origin}/mine/models`, `${provider.origin}/v1/models`])
    await assert.rejects(groq(url), failsWith("INVALID_ARGUMENT"));
  assert.equal(sink.connections, 0);
});

test("a provider that repeats the key gives it to nobody", async () => {
  answer = async (request, response) => {
    const key = String(request.headers.authorization).slice("Bearer ".length);
    response.writeHead(request.url?.includes("fail") ? 401 : 200, {
      "x-echo": key,
      "x-other": "fine",
      "content-type": "text/plain",
    });
    for (const piece of ["before ", key.slice(0, 7), key.slice(7), ` after ${key}${key}.`]) {
      response.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    response.end();
  };
  const stars = "*".repeat(KEY.length);
  const fine = await ours(`${provider.origin}/v1/x`);
  assert.equal(fine.headers.get("x-echo"), null);
  assert.equal(fine.headers.get("x-other"), "fine");
  assert.equal(await fine.text(), `before ${stars} after ${stars}${stars}.`);
  const failed = await ours(`${provider.origin}/v1/fail`);
  assert.equal(failed.status, 401);
  assert.doesNotMatch(await failed.text(), /secret|0123/);
});

test("errors and functions tell no key, inspected at any depth", async () => {
  const openai = new OpenAI({ apiKey: "byok", fetch: ours, maxRetries: 0 });
  answer = (request) => void request.socket.destroy();
  const error = await openai.models.list().catch((error) => error);
  for (const value of [openai, ours, byok, error, error.cause])
    assert.doesNotMatch(inspect(value, { depth: Infinity, showHidden: true }), /secret/);
});

for (const control of ["", "the SDKs hold the key"]) {
  const name =
    control === "" ? "no heap snapshot of 100 SDK calls holds the key" : `control: ${control}`;
  test(name, async () => {
    const random = randomBytes(24).toString("hex");
    const practice = await startPractice((stop) => after(stop), ["--key", `sk-canary-${random}`]);
    const folder = mkdtempSync(join(tmpdir(), "byok-sdks-"));
    try {
      writeFileSync(join(folder, "key"), `sk-canary-${random}`);
      const script = join(__dirname, "../__test__/canary/sdks.cjs");
      const child = spawn(process.execPath, ["--expose-gc", script], {
        cwd: folder,
        env: {
          ...process.env,
          LIBRARY: join(__dirname, "../dist/index.js"),
          ORIGIN: practice.origin,
          MASTER,
          CONTROL: control,
        },
        timeout: 100_000,
      });
      const said: Buffer[] = [];
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => said.push(chunk));
      const [code] = await once(child, "close");
      assert.equal(code, 0, String(Buffer.concat(said)).slice(-2000));
      writeFileSync(join(folder, "output"), Buffer.concat(said));

      const files = readdirSync(folder).sort();
      assert.deepEqual(files, [
        "after.heapsnapshot",
        "before.heapsnapshot",
        "during.heapsnapshot",
        "output",
      ]);
      const windows = Array.from({ length: random.length - 7 }, (_, at) =>
        random.slice(at, at + 8),
      );
      const leaking = files.filter((file) => {
        const bytes = readFileSync(join(folder, file));
        return windows.some((window) => bytes.includes(window));
      });
      assert.deepEqual(leaking, control === "" ? [] : files);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
