// A stand-in for the addon, written by hand: it records what crosses the boundary and answers what a
// test tells it to. Loading this file makes the library use it instead of the real one.

import type {
  NativeBinding,
  NativeByteStream,
  NativeEngine,
  NativeStore,
  NativeStream,
  NativeTask,
  NativeUpload,
  StoreCallbacks,
} from "../dist/native.js";

export interface Call {
  op: string;
  args: Record<string, unknown>;
  /** Copies, since the fake wipes bytes as the addon does. */
  bytes: Uint8Array[];
  callId: number;
  settle(envelope: object): void;
}

export class FakeStream implements NativeStream {
  pulls = 0;
  concurrentPulls = 0;
  cancelled = false;
  /** Settles the pending pull. */
  deliver: (envelope: object) => void = () => {
    throw new Error("nobody is pulling");
  };
  readonly #script: object[];
  #pulling = false;

  /** @param script - envelopes for the first pulls; later ones wait for `deliver` */
  constructor(script: object[] = []) {
    this.#script = script;
  }

  next(): Promise<string> {
    this.pulls++;
    if (this.#pulling) this.concurrentPulls++;
    if (this.cancelled) return Promise.resolve(JSON.stringify({ error: ABORTED }));
    const scripted = this.#script.shift();
    if (scripted !== undefined) return Promise.resolve(JSON.stringify(scripted));
    this.#pulling = true;
    return new Promise((resolve) => {
      this.deliver = (envelope) => {
        this.#pulling = false;
        resolve(JSON.stringify(envelope));
      };
    });
  }

  cancel(): void {
    this.cancelled = true;
    if (this.#pulling) this.deliver({ error: ABORTED });
  }
}

export class FakeEngine implements NativeEngine {
  readonly calls: Call[] = [];
  readonly cancelled: number[] = [];
  readonly opened: { args: Record<string, unknown>; bytes: Uint8Array[] }[] = [];
  readonly masterKeys: [string, string[]][] = [];
  masterKeyAnswer: object = { ok: null };
  /** Answers calls at once; without it they wait for `settle`. */
  answer: ((call: Call) => object) | undefined;
  nextStream = new FakeStream();
  tracing = false;

  setTracing(on: boolean): void {
    this.tracing = on;
  }

  constructor(
    readonly config: string,
    readonly store: NativeStore | null,
    readonly callbacks: StoreCallbacks | null,
  ) {
    engines.push(this);
  }

  setMasterKeys(current: Uint8Array | string, previous: (Uint8Array | string)[]): string {
    this.masterKeys.push([show(current), previous.map(show)]);
    for (const key of [current, ...previous]) if (key instanceof Uint8Array) key.fill(0);
    return JSON.stringify(this.masterKeyAnswer);
  }

  call(op: string, json: string, bytes: Uint8Array[] | null, callId: number): Promise<string> {
    return new Promise((resolve) => {
      const copies = (bytes ?? []).map((item) => Uint8Array.from(item));
      const settle = (envelope: object) => resolve(JSON.stringify(envelope));
      const call: Call = { op, args: JSON.parse(json), bytes: copies, callId, settle };
      this.calls.push(call);
      if (op === "registerKey") for (const item of bytes ?? []) item.fill(0);
      if (this.answer !== undefined) settle(this.answer(call));
    });
  }

  cancel(callId: number): void {
    this.cancelled.push(callId);
    this.calls.find((call) => call.callId === callId)?.settle({ error: ABORTED });
  }

  open(_op: string, json: string, bytes: Uint8Array[] | null): NativeStream {
    this.opened.push({ args: JSON.parse(json), bytes: bytes ?? [] });
    return this.nextStream;
  }

  start(): NativeTask {
    throw new Error("No test here runs a task.");
  }

  openBytes(): NativeByteStream {
    throw new Error("Bytes are tested with the addon.");
  }

  upload(): NativeUpload {
    throw new Error("Uploads are tested with the addon.");
  }
}

export const ABORTED = { code: "ABORTED", message: "aborted", retryable: false };

const engines: FakeEngine[] = [];

/** The engine of the BYOK made last. */
export function lastEngine(): FakeEngine {
  const engine = engines.at(-1);
  if (engine === undefined) throw new Error("no engine was made");
  return engine;
}

export const storeCalls: [string, unknown][] = [];

const fakeStore: NativeStore = {
  async call(op, json) {
    storeCalls.push([op, JSON.parse(json)]);
    return JSON.stringify({ ok: op === "list" ? [] : null });
  },
};

const binding: NativeBinding = {
  NativeEngine: FakeEngine,
  NativeStore: {
    memory: () => fakeStore,
    sqlite(path) {
      if (path !== "/forbidden") return fakeStore;
      const error = { code: "STORE_ERROR", message: "can't open", retryable: false };
      throw new Error(JSON.stringify({ error }));
    },
  },
  generateMasterKey: () => '{"ok":"made up"}',
  version: () => "0.0.0",
};

// Not a mock of node:test, which keeps every call and what made it.
require("../dist/native.js").native = () => binding;

function show(key: Uint8Array | string): string {
  return typeof key === "string" ? key : Buffer.from(key).toString();
}
