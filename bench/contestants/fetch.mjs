// The global fetch by hand: no SDK, just the request and what is read of the answer.

import { checkStatus, deltasOf, request, textOf } from "./by-hand.mjs";

export function make({ baseURL, model, prompt, openKey }) {
  const send = async (userId, stream) => {
    const { headers, body } = request({ model, prompt, stream, apiKey: openKey(userId) });
    const response = await fetch(`${baseURL}/responses`, { method: "POST", headers, body });
    checkStatus(response.status);
    return response;
  };
  return {
    chat: async (userId) => textOf(await (await send(userId, false)).json()),
    stream: async (userId, onText) => deltasOf((await send(userId, true)).body, onText),
  };
}
