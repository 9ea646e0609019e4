// Makes 100 calls with unmodified SDKs and writes its heap before, during and after them. The key is in a file
// `key`, or, as a control that must be caught, in the SDKs themselves. Run by fetch-security.test.ts.

const { readFileSync, rmSync } = require("node:fs");
const { inspect } = require("node:util");
const { writeHeapSnapshot } = require("node:v8");
const { Anthropic } = require("@anthropic-ai/sdk");
const { OpenAI } = require("openai");

const { LIBRARY, ORIGIN, MASTER, CONTROL } = process.env;
const { BYOK, MemoryStore } = require(LIBRARY);

const at = (path) => ({ baseURL: ORIGIN + path, allowPrivateNetwork: true });
const messages = [{ role: "user", content: "one two three" }];

async function main() {
  const store = new MemoryStore();
  const providers = { openai: at("/openai/v1"), anthropic: at("/anthropic") };
  const byok = new BYOK({ masterKey: MASTER, store, providers });
  for (const provider of ["openai", "anthropic"])
    await byok.registerKey({ userId: "u", provider, apiKey: readFileSync("key"), validate: false });
  const user = byok.use("u");
  const apiKey = CONTROL ? readFileSync("key", "utf8") : "byok";
  rmSync("key");
  const fetchOf = (provider) => (CONTROL ? {} : { fetch: user.fetch(provider) });
  const openai = new OpenAI({ apiKey, baseURL: `${ORIGIN}/openai/v1`, ...fetchOf("openai") });
  const anthropic = new Anthropic({
    apiKey,
    baseURL: `${ORIGIN}/anthropic`,
    ...fetchOf("anthropic"),
  });
  snapshot("before");

  const kept = [];
  const ask = async (n) => {
    if (n % 4 === 0) kept.push(await openai.chat.completions.create({ model: "m", messages }));
    else if (n % 4 === 1) {
      const stream = await openai.chat.completions.create({ model: "m", messages, stream: true });
      for await (const chunk of stream) {
        kept.push(chunk);
        if (n === 49) snapshot("during");
      }
    } else if (n % 4 === 2)
      kept.push(await anthropic.messages.create({ model: "m", max_tokens: 9, messages }));
    else {
      const wrong = openai.chat.completions.create({ model: "no-such-model", messages });
      kept.push(await wrong.catch((error) => error));
    }
  };
  for (let n = 0; n < 100; n++) await ask(n);
  for (const [name, value] of Object.entries({ byok, user, openai, anthropic, kept }))
    console.log(name, inspect(value, { depth: Infinity, showHidden: true, maxArrayLength: null }));
  snapshot("after");
  await byok.close();
}

let shown = 0;
function snapshot(name) {
  if (name === "during" && shown++ > 0) return;
  global.gc();
  writeHeapSnapshot(`${name}.heapsnapshot`);
}

main();
