// undici by hand, its fastest common form: `request` on one shared pool of kept-alive connections.

import { Pool } from "undici";

import { checkStatus, deltasOf, request, textOf } from "./by-hand.mjs";

export function make({ baseURL, model, prompt, openKey, concurrency }) {
  const { origin, pathname } = new URL(baseURL);
  const pool = new Pool(origin, { connections: concurrency });
  const path = `${pathname}/responses`;
  const send = async (userId, stream) => {
    const { headers, body } = request({ model, prompt, stream, apiKey: openKey(userId) });
    const response = await pool.request({ path, method: "POST", headers, body });
    checkStatus(response.statusCode);
    return response.body;
  };
  return {
    chat: async (userId) => textOf(await (await send(userId, false)).json()),
    stream: async (userId, onText) => deltasOf(await send(userId, true), onText),
  };
}
