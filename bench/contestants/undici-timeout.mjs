// undici as most code uses it: `request` on the shared agent, and a timeout for the whole call.

import { request as send } from "undici";

import { checkStatus, deltasOf, request, textOf } from "./by-hand.mjs";

const TIMEOUT_MS = 600_000;

export function make({ baseURL, model, prompt, openKey }) {
  const url = `${baseURL}/responses`;
  const ask = async (userId, stream) => {
    const { headers, body } = request({ model, prompt, stream, apiKey: openKey(userId) });
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await send(url, { method: "POST", headers, body, signal });
    checkStatus(response.statusCode);
    return response.body;
  };
  return {
    chat: async (userId) => textOf(await (await ask(userId, false)).json()),
    stream: async (userId, onText) => deltasOf(await ask(userId, true), onText),
  };
}
