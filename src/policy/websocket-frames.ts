// Where WebSocket frames end in a stream of bytes (RFC 6455 5.2), so that a Close frame can be put
// between two of them. Payloads are neither read nor kept.

const MASK_BYTES = 4;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** Follows one direction of a connection. */
export class FrameCursor {
  #head: number[] = [];
  #payloadLeft = 0;

  /** True between two frames. */
  get atBoundary(): boolean {
    return this.#head.length === 0 && this.#payloadLeft === 0;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#payloadLeft > 0) {
        const skipped = Math.min(this.#payloadLeft, bytes.length - at);
        this.#payloadLeft -= skipped;
        at += skipped;
        continue;
      }
      this.#head.push(bytes[at] as number);
      at += 1;
      if (this.#head.length === headBytes(this.#head)) {
        this.#payloadLeft = payloadBytes(this.#head);
        this.#head = [];
      }
    }
  }
}

/** Length of a frame's head, as far as its first two bytes tell. */
function headBytes(head: readonly number[]): number {
  const second = head[1] ?? 0;
  const length = second & 0x7f;
  const extended = length === LENGTH_64 ? 8 : length === LENGTH_16 ? 2 : 0;
  return 2 + extended + (second & 0x80 ? MASK_BYTES : 0);
}

function payloadBytes(head: readonly number[]): number {
  const length = (head[1] ?? 0) & 0x7f;
  if (length < LENGTH_16) return length;
  const end = length === LENGTH_16 ? 4 : 10;
  return head.slice(2, end).reduce((sum, byte) => sum * 256 + byte, 0);
}

/**
 * A Close frame with a status code and no reason (RFC 6455 5.5.1).
 * @param masked as every frame from a client is; the mask of zeros leaves the payload as it is
 */
export function closeFrame(code: number, masked: boolean): Uint8Array {
  const payload = [code >> 8, code & 0xff];
  return masked
    ? Uint8Array.of(0x88, 0x82, 0, 0, 0, 0, ...payload)
    : Uint8Array.of(0x88, 0x02, ...payload);
}
