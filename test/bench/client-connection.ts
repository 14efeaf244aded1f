// One keep-alive connection of the load generator: sends prepared bytes, finds the end of the
// answer with as little work as possible, and says so. What is sent when is load.ts.

import { connect, type Socket } from 'node:net';
import { HEAD_END } from './messages.ts';

const LENGTH = /\r\ncontent-length: *(\d+)/i;
const LAST_CHUNK = '0\r\n\r\n';
const OK = 'HTTP/1.1 200';

/** How one answer ended: whole with status 200, or not. */
export type Ending = 'done' | 'failed';

export class ClientConnection {
  readonly socket: Socket;
  /** Called at the end of each answer; a failed connection is of no more use. */
  onEnd: (ending: Ending) => void = () => {};
  /** Called with the first bytes of each answer's body. */
  onFirstBody: () => void = () => {};
  #isBusy = false;
  #head: Buffer | undefined;
  /** Bytes of the body still to come; NaN: chunked, up to LAST_CHUNK. */
  #left = 0;
  #inBody = false;
  #sawBody = false;
  #tail = '';

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('close', () => this.#end('failed'));
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  send(request: Buffer): void {
    this.#isBusy = true;
    this.#head = undefined;
    this.#inBody = false;
    this.#sawBody = false;
    this.#tail = '';
    this.socket.write(request);
  }

  destroy(): void {
    this.onEnd = () => {};
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#inBody) {
      this.#body(chunk);
      return;
    }
    const head = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk]);
    const at = head.indexOf(HEAD_END, 0, 'latin1');
    if (at < 0) {
      this.#head = head;
      return;
    }
    const text = head.toString('latin1', 0, at);
    if (!text.startsWith(OK)) {
      this.socket.destroy();
      return;
    }
    this.#left = Number(LENGTH.exec(text)?.[1] ?? Number.NaN);
    this.#inBody = true;
    const rest = head.subarray(at + HEAD_END.length);
    if (rest.length > 0 || this.#left === 0) this.#body(rest);
  }

  #body(bytes: Buffer): void {
    if (!this.#sawBody) {
      this.#sawBody = true;
      this.onFirstBody();
    }
    if (Number.isNaN(this.#left)) {
      const last = bytes.toString('latin1', Math.max(0, bytes.length - LAST_CHUNK.length));
      this.#tail = (this.#tail + last).slice(-LAST_CHUNK.length);
      if (this.#tail === LAST_CHUNK) this.#end('done');
      return;
    }
    this.#left -= bytes.length;
    if (this.#left <= 0) this.#end('done');
  }

  #end(ending: Ending): void {
    if (!this.#isBusy) return;
    this.#isBusy = false;
    this.onEnd(ending);
  }
}
