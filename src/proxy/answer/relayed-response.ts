// A response that passes on what was checked when it was read. Node looks once more at each field
// that it is given, by three regular expressions and a table of names: 3 us for ten fields; and
// writes four pieces for each chunk. Here it is given the fields that frame the message, with the
// rest before them as text, and the chunks of one turn as one string.

import { ServerResponse } from 'node:http';

/** What Node has to know about, by the length of the name. */
const FRAMING: readonly (string | undefined)[] = byLength([
  'expect',
  'trailer',
  'connection',
  'content-length',
  'transfer-encoding',
]);
const DATE = 'date';
/** Longer chunks are written from where they lie. */
const MAX_TEXT_BYTES = 16 * 1024;

/** What Node's own methods come down to. */
interface Inner {
  /** Makes the head's text of a status line and the fields. */
  _storeHeader(statusLine: string, fields: readonly string[]): void;
  /** Writes what is framed already, behind the head where that was not sent yet. */
  _send(data: string, encoding: 'latin1'): boolean;
}

const { _storeHeader: storeHeader, _send: send } = ServerResponse.prototype as unknown as Inner;

/** Who is to hear that a response is over. */
export interface ResponseOwner {
  /** The connection has taken all of the response, or was lost. */
  onResponseClosed(): void;
}

/** The response of a server of ours. */
export class RelayedResponse extends ServerResponse {
  #owner: ResponseOwner | undefined;
  #lines = '';
  /** Chunks of this turn, framed. */
  #chunks = '';
  #saidFull = false;

  /** Tells an owner when the response is over: one listener for all of them. */
  ownedBy(owner: ResponseOwner): void {
    this.#owner = owner;
    this.on('close', onClose);
  }

  /**
   * Like `writeHead` with a flat list, for fields of an upstream's answer and of our own making.
   * @param fields names are tokens, values have no control characters but the tab (RFC 9110 5.5):
   *   who reads them sees to that
   */
  writeRelayedHead(status: number, reason: string, fields: readonly string[]): void {
    const framing: string[] = [];
    let lines = '';
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      const value = fields[i + 1] as string;
      const known = FRAMING[name.length];
      if (known !== undefined && name.toLowerCase() === known) framing.push(name, value);
      else lines += `${name}: ${value}\r\n`;
      // Node adds the date to a head that has none (RFC 9110 6.6.1).
      if (name.length === DATE.length && name.toLowerCase() === DATE) this.sendDate = false;
    }
    this.#lines = lines;
    try {
      this.writeHead(status, reason, framing);
    } catch (error) {
      // Another head can be written in place of one that cannot.
      this.#lines = '';
      this.sendDate = true;
      this.statusMessage = '';
      throw error;
    }
    if (this.#lines !== '') throw new Error('this Node does not write heads by _storeHeader');
  }

  _storeHeader(statusLine: string, fields: readonly string[]): void {
    const lines = this.#lines;
    this.#lines = '';
    storeHeader.call(this, statusLine + lines, fields);
  }

  /**
   * Like `write`, for bytes of the body of an answer that has one; short ones leave when this
   * turn's callback ends. Nothing may be written by `write` meanwhile.
   */
  writeRelayed(chunk: Buffer): boolean {
    const { socket } = this;
    const { length } = chunk;
    const isShort = length > 0 && length <= MAX_TEXT_BYTES;
    // A socket that is ended and not closed takes nothing: only Node counts what piles up then.
    const isOpen = socket?.writable === true && !this.writableEnded;
    if (!this.chunkedEncoding || !isShort || !isOpen) {
      this.#flush();
      return this.write(chunk);
    }
    if (this.#chunks === '') process.nextTick(flush, this);
    this.#chunks += `${length.toString(16)}\r\n${chunk.toString('latin1')}\r\n`;
    const waiting = socket.writableLength + this.#chunks.length;
    if (waiting >= socket.writableHighWaterMark) this.#saidFull = true;
    return !this.#saidFull;
  }

  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    // What is gathered leaves with the end, in one write: Node's end uncorks.
    if (this.#chunks !== '') this.socket?.cork();
    this.#flush();
    return super.end(chunk, encoding as BufferEncoding, callback as () => void);
  }

  #flush(): void {
    const chunks = this.#chunks;
    if (chunks === '') return;
    this.#chunks = '';
    const hasRoom = send.call(this, chunks, 'latin1');
    if (!this.#saidFull) return;
    this.#saidFull = false;
    // After a write that finds no room Node tells when there is some, and an empty one is enough.
    if (this.writableEnded || this.destroyed) return;
    if (hasRoom || this.write('')) process.nextTick(drained, this);
  }

  static flush(response: RelayedResponse): void {
    response.#flush();
  }

  static close(response: RelayedResponse): void {
    response.#owner?.onResponseClosed();
  }
}

const { flush, close } = RelayedResponse;

function onClose(this: RelayedResponse): void {
  close(this);
}

function drained(response: RelayedResponse): void {
  if (!response.writableEnded && !response.destroyed) response.emit('drain');
}

function byLength(names: readonly string[]): (string | undefined)[] {
  const table: (string | undefined)[] = [];
  for (const name of names) table[name.length] = name;
  return table;
}
