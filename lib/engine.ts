// One native engine and everything around a call to it: the wait for the master key, the signal,
// the closed state, decoding. It knows operations by name only.

import { enterContext, leaveContext, leaveWith } from "./contexts.js";
import {
  aborted,
  attemptsOf,
  type BYOKError,
  decodeEnvelope,
  decodeError,
  unwrap,
} from "./errors.js";
import { MasterKeySource } from "./master-key.js";
import type {
  NativeByteStream,
  NativeEngine,
  NativeStore,
  NativeStream,
  NativeTask,
  NativeUpload,
  ServiceCallbacks,
  StoreCallbacks,
} from "./native.js";
import { native } from "./native.js";
import { onAbort } from "./signal.js";
import type { Observed, Observer } from "./telemetry/observer.js";
import { ObservedBytes, ObservedStream } from "./telemetry/stream.js";
import type { BYOKOptions, Progress } from "./types.js";

/** An operation's arguments: JSON text, and bytes that it names by `{ "$bytes": n }`. */
export interface Payload {
  json: string;
  bytes: Uint8Array[] | null;
}

/** What an engine works with. */
export interface Connections {
  store: NativeStore | null;
  callbacks: StoreCallbacks | null;
  usageStore: NativeStore | null;
  services: ServiceCallbacks;
}

export interface RunOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export class Engine {
  readonly #native: NativeEngine;
  readonly #keys: MasterKeySource;
  readonly #observer: Observer;
  /** Whether calls may come back to JavaScript, and so need their context kept. */
  readonly #callsBack: boolean;
  #tracing = false;
  #closing: Promise<void> | undefined;
  #lastCallId = 0;

  /** @param connections - the key store, native or in JavaScript, and what else the app brings */
  constructor(options: BYOKOptions, config: string, connections: Connections, observer: Observer) {
    const { store, callbacks, usageStore, services } = connections;
    const engine = unwrap(
      () => new (native().NativeEngine)(config, store, callbacks, usageStore, services),
    );
    this.#native = engine;
    this.#observer = observer;
    this.#callsBack = callbacks !== null || services.limiter !== undefined;
    this.#keys = new MasterKeySource(options, (current, previous) => {
      decodeEnvelope(unwrap(() => engine.setMasterKeys(current, previous)));
    });
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Runs an operation to its end. */
  call<T>(op: string, payload: Payload, signal?: AbortSignal): Promise<T> {
    const observed = this.#observe(op, payload.json);
    if (observed === undefined) return this.#call<T>(op, payload, signal, undefined);
    return observed.run(() => told(observed, this.#call<T>(op, payload, signal, observed)));
  }

  async #call<T>(
    op: string,
    payload: Payload,
    signal: AbortSignal | undefined,
    observed: Observed | undefined,
  ): Promise<T> {
    const loading = this.#loading(signal);
    if (loading !== undefined) await loading;
    const { json, bytes } = payload;
    const context = this.#callsBack ? enterContext() : 0;
    const callId = signal === undefined ? 0 : this.#nextCallId();
    const stopListening = signal && onAbort(signal, () => this.#native.cancel(callId));
    try {
      const answer = await this.#native.call(op, json, bytes, callId, context);
      return read<T>(answer, signal, observed);
    } finally {
      stopListening?.();
      leaveContext(context);
    }
  }

  /** Runs an operation that reports progress or gives back bytes beside its value. */
  run<T>(op: string, payload: Payload, options: RunOptions = {}): Promise<[T, Buffer[]]> {
    const observed = this.#observe(op, payload.json);
    if (observed === undefined) return this.#run<T>(op, payload, options, undefined);
    return observed.run(() => told(observed, this.#run<T>(op, payload, options, observed)));
  }

  async #run<T>(
    op: string,
    payload: Payload,
    options: RunOptions,
    observed: Observed | undefined,
  ): Promise<[T, Buffer[]]> {
    const { signal, onProgress } = options;
    const loading = this.#loading(signal);
    if (loading !== undefined) await loading;
    const context = this.#callsBack ? enterContext() : 0;
    const task = unwrap(() => this.#native.start(op, payload.json, payload.bytes, context));
    const stopListening = signal && onAbort(signal, () => task.cancel());
    try {
      const result = task.result();
      if (onProgress !== undefined) await report(task, onProgress);
      const { envelope, bytes } = await result;
      return [read<T>(envelope, signal, observed), bytes];
    } catch (error) {
      task.cancel();
      throw error;
    } finally {
      stopListening?.();
      leaveContext(context);
    }
  }

  /** True when an operation begins at once, so that its bytes need not be copied. */
  get ready(): boolean {
    return !this.closed && this.#keys.ready() === undefined;
  }

  /** Begins a stream: at once when nothing has to be waited for. */
  open(op: string, payload: Payload | Promise<Payload>): NativeStream | Promise<NativeStream> {
    return this.#begin(payload, ({ json, bytes }) => {
      const open = () => this.#inContext((context) => this.#native.open(op, json, bytes, context));
      const observed = this.#observe(op, json);
      if (observed === undefined) return open();
      return new ObservedStream(observed.run(open), observed);
    });
  }

  /** As `open`, for an answer in bytes. */
  openBytes(
    op: string,
    payload: Payload | Promise<Payload>,
  ): NativeByteStream | Promise<NativeByteStream> {
    return this.#begin(payload, ({ json, bytes }) => {
      const open = () =>
        this.#inContext((context) => this.#native.openBytes(op, json, bytes, context));
      const observed = this.#observe(op, json);
      if (observed === undefined) return open();
      return new ObservedBytes(observed.run(open), observed);
    });
  }

  /** Begins an upload, which a request's JSON names by `{ "$upload": id }`.
   * @param length - what will be written in all, where that is known */
  upload(length?: number): NativeUpload {
    this.#check(undefined);
    return unwrap(() => this.#native.upload(length ?? null));
  }

  /** Ends what is running with `CLOSED` and releases the store. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #begin<T>(payload: Payload | Promise<Payload>, open: (payload: Payload) => T): T | Promise<T> {
    this.#check(undefined);
    const loading = this.#keys.ready();
    if (loading !== undefined || payload instanceof Promise)
      return this.#beginLater(payload, loading, open);
    return unwrap(() => open(payload));
  }

  async #beginLater<T>(
    payload: Payload | Promise<Payload>,
    loading: Promise<void> | undefined,
    open: (payload: Payload) => T,
  ): Promise<T> {
    const [ready] = await Promise.all([payload, loading]);
    this.#check(undefined);
    return unwrap(() => open(ready));
  }

  async #close(): Promise<void> {
    this.#keys.close();
    decodeEnvelope(await this.#native.call("close", "{}", null, 0));
  }

  /** Keeps the current context for as long as the stream lives. */
  #inContext<T extends object>(open: (context: number) => T): T {
    const context = this.#callsBack ? enterContext() : 0;
    const stream = open(context);
    leaveWith(stream, context);
    return stream;
  }

  /** Native code is told whether anybody listens, when that has changed. */
  #observe(op: string, json: string): Observed | undefined {
    const active = this.#observer.active;
    if (active !== this.#tracing) {
      this.#tracing = active;
      this.#native.setTracing(active);
    }
    return active ? this.#observer.begin(op, json) : undefined;
  }

  /** What a call has to wait for before it can begin; nothing, and no turn of the event loop, when the
   * master keys are there. */
  #loading(signal: AbortSignal | undefined): Promise<void> | undefined {
    this.#check(signal);
    const loading = this.#keys.ready();
    return loading && untilAborted(loading, signal).then(() => this.#check(signal));
  }

  #nextCallId(): number {
    this.#lastCallId = (this.#lastCallId % 0xffff_ffff) + 1;
    return this.#lastCallId;
  }

  #check(signal: AbortSignal | undefined): void {
    if (signal?.aborted) throw aborted(signal);
    if (this.closed) throw closed();
  }
}

/** Reads an outcome, and tells it to whoever listens. */
function read<T>(text: string, signal: AbortSignal | undefined, observed: Observed | undefined): T {
  if (observed === undefined) return decodeEnvelope<T>(text, signal);
  const attempts = attemptsOf(text);
  try {
    const value = decodeEnvelope<T>(text, signal);
    observed.succeeded(value, attempts, () => JSON.stringify(value));
    return value;
  } catch (error) {
    observed.failed(error, attempts);
    throw error;
  }
}

/** Also what never reached native code is told. */
function told<T>(observed: Observed, work: Promise<T>): Promise<T> {
  work.catch((error: unknown) => observed.failed(error, []));
  return work;
}

/** Hands on progress until the work is over. What the callback throws ends the work. */
async function report(task: NativeTask, onProgress: (progress: Progress) => void): Promise<void> {
  for (;;) {
    const envelope = await task.progress();
    if (envelope === "") return;
    onProgress(decodeEnvelope<Progress>(envelope));
  }
}

function closed(): BYOKError {
  return decodeError({
    code: "CLOSED",
    message:
      "This BYOK was closed. Make a new one, or call close() only when the last request is done.",
  });
}

/** Waits for something that knows no signal. */
async function untilAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work;
  let stopListening = () => {};
  const abort = new Promise<never>((_, reject) => {
    stopListening = onAbort(signal, () => reject(aborted(signal)));
  });
  try {
    await Promise.race([work, abort]);
  } finally {
    stopListening();
  }
}
