// The outgoing proxies that keys name for themselves, in shared memory: append-only and written by
// the coordinator alone, so an index is good for ever. They may hold passwords: nobody prints them.

/** Addresses that one group can learn, over all reloads of its key file. */
export const MAX_PROXIES = 1024;
const MAX_PROXY_BYTES = 512;
const LENGTHS_AT = 64;
const TEXTS_AT = LENGTHS_AT + MAX_PROXIES * 4;
/** What a list takes. */
export const PROXY_LIST_BYTES = TEXTS_AT + MAX_PROXIES * MAX_PROXY_BYTES;

export class ProxyList {
  readonly #count: Int32Array;
  readonly #lengths: Int32Array;
  readonly #texts: Buffer;

  constructor(buffer: SharedArrayBuffer, byteOffset: number) {
    this.#count = new Int32Array(buffer, byteOffset, 1);
    this.#lengths = new Int32Array(buffer, byteOffset + LENGTHS_AT, MAX_PROXIES);
    this.#texts = Buffer.from(buffer, byteOffset + TEXTS_AT, MAX_PROXIES * MAX_PROXY_BYTES);
  }

  get count(): number {
    return Atomics.load(this.#count, 0);
  }

  /** The index of an address, added if need be. Coordinator only. -1: there is no room. */
  add(href: string): number {
    const { count } = this;
    for (let index = 0; index < count; index++) if (this.get(index) === href) return index;
    if (count === MAX_PROXIES || href.length > MAX_PROXY_BYTES) return -1;
    this.#lengths[count] = this.#texts.write(href, count * MAX_PROXY_BYTES, 'latin1');
    Atomics.store(this.#count, 0, count + 1);
    return count;
  }

  get(index: number): string {
    const start = index * MAX_PROXY_BYTES;
    return this.#texts.toString('latin1', start, start + (this.#lengths[index] ?? 0));
  }
}
