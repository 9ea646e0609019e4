// Speech to text: gets the audio to native code, as bytes that are there or as an upload that is read
// while it is sent.

import type { Engine } from "./engine.js";
import { invalidArgument } from "./errors.js";
import { asBytes, encodeJson } from "./request.js";
import type { TranscriptionRequest, TranscriptionResult } from "./types.js";
import { readerOf, Upload, type UploadSource } from "./upload.js";

/** @param body - the checked options; `audio` and what a Blob says of itself are put in here */
export async function transcribe(
  engine: Engine,
  body: Record<string, unknown>,
  request: TranscriptionRequest,
): Promise<TranscriptionResult> {
  const { audio } = request;
  const bytes = asBytes(audio);
  if (bytes instanceof Uint8Array) {
    const json = encodeJson({ ...body, audio: { $bytes: 0 } }, "speechToText()");
    const [result] = await engine.run<TranscriptionResult>(
      "speechToText",
      { json, bytes: [bytes] },
      request,
    );
    return result;
  }
  if (!isSource(audio)) {
    throw invalidArgument(
      "speechToText(): audio must be a Uint8Array, an ArrayBuffer, a Blob, a ReadableStream or an async iterable of Uint8Arrays.",
    );
  }
  const length = audio instanceof Blob ? audio.size : undefined;
  const upload = new Upload(engine.upload(length), readerOf(audio));
  try {
    const named = { ...ofBlob(audio), ...body, audio: { $upload: upload.id } };
    const payload = { json: encodeJson(named, "speechToText()"), bytes: null };
    const [result] = await engine.run<TranscriptionResult>("speechToText", payload, request);
    return result;
  } catch (error) {
    throw upload.failure === undefined ? error : upload.failure.error;
  } finally {
    upload.cancel();
  }
}

function isSource(audio: unknown): audio is UploadSource {
  return (
    audio instanceof Blob ||
    audio instanceof ReadableStream ||
    (typeof audio === "object" && audio !== null && Symbol.asyncIterator in audio)
  );
}

/** What a Blob and a File know of themselves. */
function ofBlob(audio: UploadSource): { mediaType?: string; filename?: string } {
  if (!(audio instanceof Blob)) return {};
  const name: unknown = (audio as { name?: unknown }).name;
  return {
    ...(audio.type !== "" && { mediaType: audio.type }),
    ...(typeof name === "string" && name !== "" && { filename: name }),
  };
}
