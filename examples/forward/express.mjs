// A backend on Express whose clients speak OpenAI's protocol: new OpenAI({ baseURL: "https://app.example/openai/v1" }).
// Each request goes on with the key of the user who makes it. Mount it before express.json(), so that
// bodies stream; a body that was parsed already is sent as JSON again.

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { BYOKError } from "byok-ai";
import express from "express";

/** What clients may do with their user's key. */
const ALLOWED = [
  "/v1/chat/completions",
  "/v1/responses",
  "/v1/embeddings",
  "/v1/audio/transcriptions",
];

/** @param userOf - your authentication: the id of the user who asks, or nothing */
export function openaiRouter(byok, userOf) {
  const router = express.Router();
  router.use("/openai", async (request, response) => {
    const userId = await userOf(request);
    if (userId === undefined) return response.status(401).json({ error: { message: "Log in." } });
    if (request.method !== "POST" || !ALLOWED.includes(request.path))
      return response.sendStatus(404);
    const answer = await byok.use(userId).forward(request, { provider: "openai" });
    response.status(answer.status).setHeaders(answer.headers);
    if (answer.body === null) return response.end();
    // A client that goes away ends the request at the provider too.
    await pipeline(Readable.fromWeb(answer.body), response).catch(() => {});
  });
  router.use((error, _request, response, next) => {
    if (response.headersSent) return next(error);
    const status = error instanceof BYOKError && error.code === "KEY_NOT_FOUND" ? 403 : 502;
    response.status(status).json({ error: { message: error.cause?.message ?? error.message } });
  });
  return router;
}
