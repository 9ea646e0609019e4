// A Fastify plugin whose clients speak Anthropic's protocol: new Anthropic({ baseURL: "https://app.example/anthropic" }).
// Each request goes on with the key of the user who makes it. Its own scope leaves bodies unparsed, so
// that they stream.

import { BYOKError } from "byok-ai";

/** @param userOf - your authentication: the id of the user who asks, or nothing */
export async function anthropicProxy(app, { byok, userOf }) {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.post("/anthropic/v1/messages", async (request, reply) => {
    const userId = await userOf(request);
    if (userId === undefined) return reply.code(401).send({ error: { message: "Log in." } });
    const path = request.url.slice("/anthropic".length);
    return await byok.use(userId).forward(request.raw, { provider: "anthropic", path });
  });
  app.setErrorHandler((error, _request, reply) => {
    const status = error instanceof BYOKError && error.code === "KEY_NOT_FOUND" ? 403 : 502;
    return reply.code(status).send({ error: { message: error.cause?.message ?? error.message } });
  });
}
