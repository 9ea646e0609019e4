// The calls that a user can make, each as the suite makes it: with a small request, to its end.

import type { Capability } from "../../types/key.js";
import type { User } from "../../user.js";

/** What all results have in common, as far as the suite looks. */
export interface Outcome {
  provider?: string;
  model?: string;
  usage?: object;
  warnings?: { option: string; message: string }[];
  requestId?: string;
  text?: string;
  finishReason?: string;
}

interface Call {
  capability: Capability;
  streams: boolean;
  request: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: requests are put together from fixtures
  run(user: User, request: any): Promise<Outcome>;
  /** The first piece of a stream, or the start of the call, and what gives it up. */
  // biome-ignore lint/suspicious/noExplicitAny: requests are put together from fixtures
  leave?(user: User, request: any): Promise<void>;
}

const MODEL = "conformance-model-1";

/** Half a second of silence: 8-bit samples at 8,000 Hz. */
export const WAV = wav(4000);

export const CALLS = {
  chat: {
    capability: "chat",
    streams: false,
    request: { model: MODEL, prompt: "Say hello." },
    run: (user, request) => user.chat(request),
  },
  chatStream: {
    capability: "chat",
    streams: true,
    request: { model: MODEL, prompt: "Say hello." },
    run: (user, request) => user.chatStream(request).result,
    leave: async (user, request) => {
      for await (const _ of user.chatStream(request)) return;
    },
  },
  embed: {
    capability: "embeddings",
    streams: false,
    request: { model: MODEL, input: "one text" },
    run: (user, request) => user.embed(request),
  },
  textToSpeech: {
    capability: "textToSpeech",
    streams: false,
    request: { model: MODEL, text: "Hello." },
    run: (user, request) => user.textToSpeech(request),
  },
  textToSpeechStream: {
    capability: "textToSpeech",
    streams: true,
    request: { model: MODEL, text: "Hello." },
    run: async (user, request) => {
      const stream = user.textToSpeechStream(request);
      let length = 0;
      for await (const piece of stream) length += piece.length;
      const { provider, model, warnings } = await stream.info;
      return { provider, model, warnings, text: `${length} bytes` };
    },
    leave: async (user, request) => {
      for await (const _ of user.textToSpeechStream(request)) return;
    },
  },
  speechToText: {
    capability: "speechToText",
    streams: false,
    request: { model: MODEL, audio: WAV, filename: "silence.wav" },
    run: (user, request) => user.speechToText(request),
  },
  generateImage: {
    capability: "imageGeneration",
    streams: false,
    request: { model: MODEL, prompt: "A cat." },
    run: (user, request) => user.generateImage(request),
  },
} as const satisfies Record<string, Call>;

export type CallKind = keyof typeof CALLS;

/** The calls of these capabilities. */
export function callsOf(capabilities: Partial<Record<Capability, unknown>>): CallKind[] {
  const kinds = Object.keys(CALLS) as CallKind[];
  return kinds.filter((kind) => capabilities[CALLS[kind].capability] !== undefined);
}

function wav(samples: number): Buffer {
  const bytes = Buffer.alloc(44 + samples, 0x80);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(36 + samples, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(8000, 24);
  bytes.writeUInt32LE(8000, 28);
  bytes.writeUInt16LE(1, 32);
  bytes.writeUInt16LE(8, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(samples, 40);
  return bytes;
}
