// The body of a request in whatever form callers give it, made into what native code takes: bytes when
// there are few, else an upload that is read as it is sent.

import type { Engine } from "./engine.js";
import { encodeForm } from "./form-data.js";
import { type PieceReader, readerOf, Upload, type UploadSource } from "./upload.js";

/** Up to this many bytes are read before the request begins: cheaper than an upload. */
const SMALL_BYTES = 1024 * 1024;

/** What a request's JSON says of its body, and what it means by that. */
export interface EncodedBody {
  json: { $bytes: 0 } | { $upload: number } | null;
  bytes: Uint8Array[] | null;
  upload?: Upload;
}

const NO_BODY: EncodedBody = { json: null, bytes: null };

/**
 * @param given - what the caller passed as a body, if it did
 * @param request - made of it by the runtime: its content type, and its body in all other cases
 */
export async function encodeBody(
  engine: Engine,
  given: unknown,
  request: Request,
): Promise<EncodedBody> {
  if (request.body === null) return NO_BODY;
  if (typeof given === "string") return ofBytes(Buffer.from(given));
  if (given instanceof URLSearchParams) return ofBytes(Buffer.from(given.toString()));
  if (given instanceof ArrayBuffer) return ofBytes(new Uint8Array(given.slice()));
  if (ArrayBuffer.isView(given)) {
    // A copy, since the caller may change it before native code has made its own.
    const view = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
    return ofBytes(engine.ready ? view : Uint8Array.from(view));
  }
  if (given instanceof Blob) return ofSized(engine, given, given.size);
  if (given instanceof FormData) {
    const type = request.headers.get("content-type") ?? "";
    const boundary = /boundary=([^;]+)/.exec(type)?.[1];
    if (boundary !== undefined) {
      const form = encodeForm(given, boundary);
      return ofSized(engine, form, form.length);
    }
  }
  return ofStream(engine, request.body, lengthOf(request.headers));
}

export function ofBytes(bytes: Uint8Array): EncodedBody {
  return bytes.length === 0 ? NO_BODY : { json: { $bytes: 0 }, bytes: [bytes] };
}

/**
 * A stream, sent as it comes. One that is over at once and small, as that of a `Request` made of a text
 * is, is sent as the bytes that it was.
 *
 * @param length - in bytes, where it is known
 */
export async function ofStream(
  engine: Engine,
  stream: UploadSource,
  length?: number,
): Promise<EncodedBody> {
  const reader = readerOf(stream);
  if (length !== undefined) return ofUpload(engine, reader, length);
  const asked: Promise<Uint8Array | undefined>[] = [];
  const pieces: Uint8Array[] = [];
  for (let bytes = 0; bytes <= SMALL_BYTES; ) {
    const next = reader.read();
    asked.push(next);
    const piece = await nowOrLater(next);
    if (piece === undefined) return ofBytes(Buffer.concat(pieces));
    if (piece === LATER) break;
    pieces.push(piece);
    bytes += piece.length;
  }
  return ofUpload(engine, ahead(reader, asked));
}

async function ofSized(
  engine: Engine,
  source: Blob | AsyncIterable<Uint8Array>,
  length: number,
): Promise<EncodedBody> {
  if (length > SMALL_BYTES) return ofUpload(engine, readerOf(source), length);
  if (source instanceof Blob) return ofBytes(new Uint8Array(await source.arrayBuffer()));
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return ofBytes(Buffer.concat(pieces));
}

function ofUpload(engine: Engine, reader: PieceReader, length?: number): EncodedBody {
  const upload = new Upload(engine.upload(length), reader);
  return { json: { $upload: upload.id }, bytes: null, upload };
}

/** The reader, with what was asked of it already. */
function ahead(reader: PieceReader, asked: Promise<Uint8Array | undefined>[]): PieceReader {
  return {
    read: () => asked.shift() ?? reader.read(),
    cancel: (reason) => reader.cancel(reason),
  };
}

const LATER = Symbol("later");

/** What a promise resolves to, unless that takes more than a turn of the event loop. */
function nowOrLater<T>(promise: Promise<T>): Promise<T | typeof LATER> {
  // Whoever awaits the promise itself meets its rejection.
  const now = promise.catch((): typeof LATER => LATER);
  return Promise.race([now, new Promise<typeof LATER>((resolve) => setImmediate(resolve, LATER))]);
}

function lengthOf(headers: Headers): number | undefined {
  const length = headers.get("content-length");
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}
