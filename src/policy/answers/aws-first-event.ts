// The same question as first-event.ts for Bedrock's binary streams
// (application/vnd.amazon.eventstream). A frame: total length, header length, checksum (4 bytes
// each, big endian), headers, payload, checksum (4 bytes). Checksums are the SDK's to verify: every
// byte passes on as it came.

import type { FirstEvent } from './first-event.ts';

const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;

/** A first frame that is longer is content: exceptions are a few hundred bytes. */
const MAX_FRAME_BYTES = 8_192;

/** The only type of header value that exceptions use: a string with a length of two bytes. */
const STRING_TYPE = 7;

/**
 * Tells an exception frame at the start of a stream from content. Same protocol as
 * FirstEventScanner.
 */
export class AwsFirstEventScanner {
  #bytes = new Uint8Array(0);
  #found: FirstEvent = { kind: 'preamble' };

  /** Takes the next bytes; they are copied until the first frame is whole. */
  push(chunk: Uint8Array): FirstEvent {
    if (this.#found.kind !== 'preamble') return this.#found;
    const bytes = new Uint8Array(this.#bytes.length + chunk.length);
    bytes.set(this.#bytes);
    bytes.set(chunk, this.#bytes.length);
    this.#bytes = bytes;
    if (bytes.length < PRELUDE_BYTES) return this.#found;
    const view = new DataView(bytes.buffer);
    const total = view.getUint32(0);
    const headers = view.getUint32(4);
    const sane = total <= MAX_FRAME_BYTES && PRELUDE_BYTES + headers + CHECKSUM_BYTES <= total;
    if (!sane) this.#found = { kind: 'content' };
    else if (bytes.length >= total) this.#found = findingOf(bytes.subarray(0, total), headers);
    return this.#found;
  }

  /** The stream is over; a frame that was cut short means nothing. */
  end(): FirstEvent {
    return this.#found;
  }
}

function findingOf(frame: Uint8Array, headerBytes: number): FirstEvent {
  const payloadAt = PRELUDE_BYTES + headerBytes;
  const headers = headersOf(frame.subarray(PRELUDE_BYTES, payloadAt));
  const kind = headers.get(':message-type');
  if (kind !== 'exception' && kind !== 'error') return { kind: 'content' };
  const code = headers.get(':exception-type') ?? headers.get(':error-code') ?? '';
  const payload = new TextDecoder().decode(
    frame.subarray(payloadAt, frame.length - CHECKSUM_BYTES),
  );
  const message =
    headers.get(':error-message') ?? /"message"\s*:\s*"([^"\\]*)"/i.exec(payload)?.[1];
  return { kind: 'error', text: JSON.stringify({ __type: code, message: message ?? payload }) };
}

function headersOf(bytes: Uint8Array): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder();
  let at = 0;
  while (at < bytes.length) {
    const nameEnd = at + 1 + view.getUint8(at);
    if (nameEnd + 3 > bytes.length || view.getUint8(nameEnd) !== STRING_TYPE) break;
    const valueEnd = nameEnd + 3 + view.getUint16(nameEnd + 1);
    const name = decoder.decode(bytes.subarray(at + 1, nameEnd));
    headers.set(name, decoder.decode(bytes.subarray(nameEnd + 3, valueEnd)));
    at = valueEnd;
  }
  return headers;
}
