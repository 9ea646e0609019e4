// Wraps the functions of defined providers for native code: one function that never throws and always
// resolves to an envelope. Like those of the store's bridge, it stands at module level, so that it keeps
// no BYOK alive.

import { keepCause } from "./causes.js";
import type { DefinedProvider } from "./defined-provider.js";
import type { BYOKErrorCode } from "./errors.js";
import type { ServiceCallbacks } from "./native.js";
import type { ProviderDefinition, ProviderEvent, ProviderRequest } from "./types/provider.js";
import type { Warning } from "./types.js";

/** The functions of these providers as one. */
export function providerCallback(
  providers: ReadonlyMap<string, DefinedProvider>,
): NonNullable<ServiceCallbacks["providers"]> {
  return (op, json) => callProvider(providers, op, json);
}

/** `acme.chat.request`: names of providers may have dots, too. */
const OPERATION = /^(.+)\.(\w+)\.(\w+)$/;

async function callProvider(
  providers: ReadonlyMap<string, DefinedProvider>,
  op: string,
  json: string,
): Promise<string> {
  const [, provider = "", part = "", name = ""] = OPERATION.exec(op) ?? [];
  const code = name === "request" ? "INVALID_ARGUMENT" : "BAD_RESPONSE";
  try {
    const definition = providers.get(provider)?.definition;
    if (definition === undefined) throw new Error(`There is no provider ${provider}.`);
    const value = await perform(definition, `${part}.${name}`, JSON.parse(json));
    return wellFormed({ ok: value ?? null });
  } catch (cause) {
    return wellFormed({ error: failure(code, `${part}.${name}`, provider, cause) });
  }
}

/** What a function's exception becomes. */
function failure(code: BYOKErrorCode, name: string, provider: string, cause: unknown) {
  const message =
    cause instanceof NotJson
      ? cause.message
      : `The function ${name} of providers.${provider} failed; the cause is its own exception. Correct the definition, or look at what the ${code === "BAD_RESPONSE" ? "provider answered" : "request has"}.`;
  return { code, message, retryable: false, causeId: keepCause(cause) };
}

// biome-ignore lint/suspicious/noExplicitAny: the arguments were written by the native side, a shape a function
function perform(definition: ProviderDefinition, name: string, args: any): unknown {
  const { chat, embed, textToSpeech, speechToText, generateImage, errors } = definition;
  const { request, body, events, state, ...context } = args;
  switch (name) {
    case "chat.request":
      return chat && watched(request, ["messages"], (seen) => chat.request(seen, context));
    case "chat.response":
      return chat?.response(body, { request, ...context });
    case "chat.event":
      return readEvents(chat?.event, events, state ?? {}, context);
    case "embed.request":
      return embed && watched(request, ["input"], (seen) => embed.request(seen, context));
    case "embed.response":
      return embed?.response(body, { request, ...context });
    case "textToSpeech.request":
      return (
        textToSpeech && watched(request, ["text"], (seen) => textToSpeech.request(seen, context))
      );
    case "textToSpeech.response":
      return textToSpeech?.response?.(body, { request, ...context });
    case "speechToText.request":
      return (
        speechToText &&
        watched(request, ["filename", "mediaType"], (seen) => speechToText.request(seen, context))
      );
    case "speechToText.response":
      return speechToText?.response(body, { request, ...context });
    case "generateImage.request":
      return (
        generateImage &&
        watched(request, ["prompt"], (seen) => generateImage.request(seen, context))
      );
    case "generateImage.response":
      return generateImage?.response(body, { request, ...context });
    case "errors.read":
      return errors?.read?.(args);
    default:
      throw new Error(`Definitions have no function ${name}.`);
  }
}

/** Notes which options a request function looks at, and warns of those that it did not: an option that
 * nobody read was not sent. */
async function watched<T extends object>(
  request: T,
  always: readonly string[],
  run: (seen: T) => ProviderRequest | PromiseLike<ProviderRequest>,
): Promise<unknown> {
  const unread = new Set(Object.keys(request).filter((name) => !always.includes(name)));
  const seen = new Proxy(request, {
    get(target, name, receiver) {
      unread.delete(String(name));
      return Reflect.get(target, name, receiver);
    },
  });
  const outgoing: unknown = await run(seen);
  if (unread.size === 0 || typeof outgoing !== "object" || outgoing === null) return outgoing;
  const warnings: Warning[] = [...((outgoing as ProviderRequest).warnings ?? [])];
  for (const option of unread) {
    if (warnings.some((warning) => warning.option.split(/[.[]/)[0] === option)) continue;
    warnings.push({ option, message: `This provider does not take ${option}; it was not sent.` });
  }
  return { ...outgoing, warnings };
}

class NotJson extends Error {}

/** An event whose data is parsed when a function asks for it. */
class Event implements ProviderEvent {
  #json: unknown;

  constructor(
    readonly event: string,
    readonly data: string,
  ) {}

  get json(): unknown {
    if (this.#json === undefined) {
      try {
        this.#json = JSON.parse(this.data);
      } catch {
        throw new NotJson(
          "The provider sent an event whose data is not JSON. It, or a proxy in between, sent something unexpected.",
        );
      }
    }
    return this.#json;
  }
}

type EventFunction = NonNullable<NonNullable<ProviderDefinition["chat"]>["event"]>;

/** All events of one piece of the network. What was understood before an exception is still handed on. */
async function readEvents(
  read: EventFunction | undefined,
  events: readonly { event: string; data: string }[],
  state: Record<string, unknown>,
  context: { model: string },
): Promise<unknown> {
  const deltas: unknown[] = [];
  try {
    for (const { event, data } of events) {
      const answer: unknown = await read?.(new Event(event, data), state, context);
      if (Array.isArray(answer)) deltas.push(...answer);
      else if (answer != null) deltas.push(answer);
    }
  } catch (cause) {
    const message =
      cause instanceof NotJson
        ? cause.message
        : "The function chat.event of the provider's definition failed; the cause is its own exception.";
    return { deltas, error: { message, causeId: keepCause(cause) } };
  }
  return { deltas, state };
}

/** JSON that native code can read: lone surrogates become U+FFFD. */
function wellFormed(value: object): string {
  const json = JSON.stringify(value);
  if (!json.includes("\\ud")) return json;
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "string" ? item.toWellFormed() : item,
  );
}
