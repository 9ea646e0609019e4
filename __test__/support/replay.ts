// A server that answers with recordings. Which one, and how it is cut into pieces, is asked for in two
// headers, so that any client can be pointed at it.

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Recording } from "./recordings.js";

/** `whole`; pieces of `1` or `7` bytes or of `random` lengths; only the first n bytes, after which the
 * body ends as if it were complete (`end:n`) or the connection breaks (`break:n`). */
export type Cut = "whole" | "1" | "7" | "random" | `end:${number}` | `break:${number}`;

export interface Replay {
  origin: string;
  close(): void;
}

/** The headers that ask for a recording. */
export function askingFor(index: number, cut: Cut = "whole"): Record<string, string> {
  return { "x-recording": String(index), "x-cut": cut };
}

/** Serves `recordings` by their index, on a free port of the loopback address. */
export async function startReplay(recordings: readonly Recording[]): Promise<Replay> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      // A link inside an answer leads to a path instead: nobody adds headers to it.
      const linked = /^\/download\/(\d+)$/.exec(request.url ?? "")?.[1];
      const recording = recordings[Number(linked ?? request.headers["x-recording"])];
      if (!recording) {
        response.writeHead(404).end("no such recording");
        return;
      }
      response.writeHead(recording.status, { "content-type": typeOf(recording) });
      send(response, recording.body, String(request.headers["x-cut"] ?? "whole") as Cut);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function typeOf({ kind, body }: Recording): string {
  if (kind === "sse") return "text/event-stream";
  if (kind === "json") return "application/json";
  const start = body.subarray(0, 3).toString("latin1");
  if (start === "ID3" || (start[0] === "\xff" && start[1] !== "\xd8")) return "audio/mpeg";
  return start.startsWith("\xff\xd8") ? "image/jpeg" : "text/plain";
}

function send(response: ServerResponse, body: Buffer, cut: Cut): void {
  const [way, length] = cut.split(":");
  if (way === "break") {
    response.write(body.subarray(0, Number(length)), () => response.destroy());
    if (Number(length) === 0) response.flushHeaders();
  } else if (way === "end") {
    response.end(body.subarray(0, Number(length)));
  } else if (cut === "whole") {
    response.end(body);
  } else {
    // Uncorked one by one, so that every piece is a chunk of the chunked encoding of its own.
    for (const piece of pieces(body, cut)) response.write(piece);
    response.end();
  }
}

/** The same places in every run: xorshift32, seeded with the length. */
function* pieces(body: Buffer, cut: Cut): Generator<Buffer> {
  let state = (0x9e3779b9 ^ body.length) >>> 0;
  for (let at = 0; at < body.length; ) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const length = cut === "random" ? 1 + ((state >>> 0) % 400) : Number(cut);
    yield body.subarray(at, at + length);
    at += length;
  }
}
