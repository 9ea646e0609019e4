// A handler for every Web-standard framework (Hono, Next.js, SvelteKit, Remix, Bun, Deno): a Request comes
// in, a Response goes out. Its clients speak any of these providers' protocols, for instance
// new GoogleGenAI({ apiKey: "none", httpOptions: { baseUrl: "https://app.example/ai/gemini" } }).

import { BYOKError } from "byok-ai";

const PROVIDERS = ["openai", "anthropic", "gemini"];

/** @param userOf - your authentication: the id of the user who asks, or nothing */
export function proxyHandler(byok, userOf) {
  return async (request) => {
    const userId = await userOf(request);
    if (userId === undefined) return fail(401, "Log in.");
    const { pathname, search } = new URL(request.url);
    const [, provider, rest] = /^\/ai\/([a-z]+)(\/.*)$/.exec(pathname) ?? [];
    if (!PROVIDERS.includes(provider)) return fail(404, "There is no such provider here.");
    try {
      return await byok.use(userId).forward(request, { provider, path: rest + search });
    } catch (error) {
      if (error instanceof BYOKError && error.code === "KEY_NOT_FOUND")
        return fail(403, error.message);
      return fail(502, error.cause?.message ?? error.message);
    }
  };
}

function fail(status, message) {
  return Response.json({ error: { message } }, { status });
}
