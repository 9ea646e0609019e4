// What the public types must accept and refuse. Compiled, never run.

import {
  BYOK,
  BYOKError,
  type BYOKErrorCode,
  type ChatEvent,
  type ChatRequest,
  type KeyId,
  type KeyRecord,
  type KeyStore,
  type Message,
  SqliteStore,
} from "byok-ai";

const records = new Map<string, KeyRecord>();
const name = (id: KeyId) => JSON.stringify([id.namespace, id.userId, id.provider, id.label]);
const store: KeyStore = {
  get: async (id) => records.get(name(id)),
  set: async (record) => void records.set(name(record), record),
  delete: async (id) => records.delete(name(id)),
  list: async ({ userId }) => [...records.values()].filter((record) => record.userId === userId),
};

class OwnStore implements KeyStore {
  async get(_id: KeyId): Promise<KeyRecord | null> {
    return null;
  }
  async set(_record: KeyRecord): Promise<void> {}
  async delete(_id: KeyId): Promise<boolean> {
    return false;
  }
  async list(_o: { userId: string }): Promise<KeyRecord[]> {
    return [];
  }
}

export async function everything(variable: string | undefined, signal: AbortSignal | undefined) {
  await using byok = new BYOK({
    masterKeys: {
      current: variable,
      previous: [new Uint8Array(32), async () => new Uint8Array(32)],
    },
    store: variable ? new SqliteStore("keys.db") : variable === "" ? new OwnStore() : store,
    providers: {
      openai: { timeoutMs: 30_000, defaultModels: { chat: "gpt-5.5" } },
      mine: {
        type: "openai-compatible",
        baseURL: "http://127.0.0.1:11434/v1",
        allowPrivateNetwork: true,
      },
    },
    prefer: ["anthropic", "openai"],
  });
  const user = byok.use("u", { provider: variable, model: variable });
  const messages: Message[] = [
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "image", image: new Uint8Array() },
        { type: "text", text: "?" },
      ],
    },
  ];
  const request: ChatRequest = {
    messages,
    signal,
    model: variable,
    tools: [
      { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
    ],
    toolChoice: { name: "weather" },
    output: { type: "object", properties: { n: { type: "number" } }, required: ["n"] },
    reasoning: { effort: "high" },
    providerOptions: { api: "chat-completions" },
  };
  const result = await user.chat<{ n: number }>(request);
  const n: number | undefined = result.object?.n;
  messages.push({ role: "assistant", content: result.content });
  messages.push({
    role: "tool",
    content: result.toolCalls.map(({ id }) => ({ type: "tool-result", id, result: { ok: true } })),
  });

  const stream = user.chatStream(request);
  for await (const event of stream) {
    if (event.type === "text-delta") event.text satisfies string;
    if (event.type === "tool-call") event.name satisfies string;
    event satisfies ChatEvent;
  }
  const response: Response = stream.toResponse({ headers: { "x-mine": "1" } });
  const bytes: ReadableStream<Uint8Array> = stream.toReadableStream();

  // @ts-expect-error a number is not an id
  byok.use(1);
  // @ts-expect-error a misspelt option
  await user.chat({ promt: "x" });
  // @ts-expect-error tool results belong into tool messages
  messages.push({ role: "user", content: [{ type: "tool-result", id: "1", result: 1 }] });
  // @ts-expect-error no such provider type
  new BYOK({ masterKey: "k", providers: { mine: { type: "smtp", baseURL: "x" } } });

  return { n, response, bytes };
}

export function handle(error: unknown): BYOKErrorCode | undefined {
  if (!(error instanceof BYOKError)) return undefined;
  // @ts-expect-error a code that does not exist
  if (error.code === "KEY_NOT_FOUN") return undefined;
  const status: number | undefined = error.status;
  return status === 429 ? "PROVIDER_RATE_LIMITED" : error.code;
}
