// The request and the reading of answers that `fetch` and `undici` share. It does less than any client
// that can be relied on: no retries, no error bodies, no limits, no other events than text.

export function request({ model, prompt, stream, apiKey }) {
  const body = JSON.stringify({ model, input: prompt, stream });
  return {
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body,
  };
}

export function checkStatus(status) {
  if (status !== 200) throw new Error(`The server answered with status ${status}.`);
}

/** The text of a whole answer of OpenAI's Responses API. */
export function textOf({ output }) {
  let text = "";
  for (const item of output) {
    if (item.type !== "message") continue;
    for (const part of item.content) if (part.type === "output_text") text += part.text;
  }
  return text;
}

/** Reads server-sent events with line feeds, and hands on each piece of text. */
export async function deltasOf(chunks, onText) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const text = rest + decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = text.indexOf("\n", start); end >= 0; end = text.indexOf("\n", start)) {
      if (text.startsWith("data: ", start)) {
        const event = JSON.parse(text.slice(start + 6, end));
        if (event.type === "response.output_text.delta") onText(event.delta);
      }
      start = end + 1;
    }
    rest = text.slice(start);
  }
}
