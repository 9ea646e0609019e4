// multipart/form-data as the fetch standard writes it (RFC 7578; "multipart/form-data encoding
// algorithm" of HTML), with its length known ahead, so that files are sent without being read first.

/** A form ready to be sent. */
export interface EncodedForm extends AsyncIterable<Uint8Array> {
  /** In bytes. */
  readonly length: number;
}

/** @param boundary - which the request's content type names already */
export function encodeForm(form: FormData, boundary: string): EncodedForm {
  const encoder = new TextEncoder();
  const pieces: (Uint8Array | Blob)[] = [];
  for (const [name, value] of form) {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(lines(name))}"`;
    if (typeof value === "string") {
      pieces.push(encoder.encode(`${head}\r\n\r\n${lines(value)}\r\n`));
    } else {
      const type = value.type === "" ? "application/octet-stream" : value.type;
      const file = `; filename="${escaped(value.name)}"\r\ncontent-type: ${type}`;
      pieces.push(encoder.encode(`${head}${file}\r\n\r\n`), value, encoder.encode("\r\n"));
    }
  }
  pieces.push(encoder.encode(`--${boundary}--\r\n`));
  const sizes = pieces.map((piece) => (piece instanceof Blob ? piece.size : piece.length));
  return {
    length: sizes.reduce((sum, size) => sum + size, 0),
    async *[Symbol.asyncIterator]() {
      for (const piece of pieces) {
        if (piece instanceof Blob) yield* piece.stream();
        else yield piece;
      }
    },
  };
}

function lines(text: string): string {
  return text.replace(/\r?\n|\r/g, "\r\n");
}

function escaped(name: string): string {
  return name.replace(/\n/g, "%0A").replace(/\r/g, "%0D").replace(/"/g, "%22");
}
