// The provider's side of a WebSocket (RFC 6455): agrees to the handshake, reads whole messages,
// writes text messages. What is said is up to conversations.ts. No extensions, and no more than a
// demo and tests need.

import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeFrame } from '../../policy/websocket-frames.ts';

/** RFC 6455 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** A longer message ends the connection (1009, RFC 6455 7.4.1). */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
const TOO_BIG = 1009;
const PROTOCOL_ERROR = 1002;
const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** What is said first, and in answer to each message. */
export interface Conversation {
  readonly opening: Iterable<object>;
  answer(message: Readonly<Record<string, unknown>>): Iterable<object>;
}

export interface Handshake {
  readonly key: string;
  /** The subprotocol that is agreed to; '' for none. */
  readonly protocol: string;
}

/** Answers 101 and talks until the other side ends the connection. */
export function converse(
  response: ServerResponse,
  { key, protocol }: Handshake,
  conversation: Conversation,
  paceMs = 0,
): void {
  const socket = response.socket;
  if (socket === null || socket.destroyed) return;
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  response.writeHead(101, 'Switching Protocols', {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-accept': accept,
    ...(protocol === '' ? {} : { 'sec-websocket-protocol': protocol }),
  });
  response.end(() => new Peer(socket, conversation, paceMs).start());
}

interface Frame {
  readonly isLast: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

class Peer {
  readonly #socket: Socket;
  readonly #conversation: Conversation;
  readonly #paceMs: number;
  #received: Buffer = Buffer.alloc(0);
  #message: Buffer = Buffer.alloc(0);
  /** Answers come in the order of their questions. */
  #said: Promise<void> = Promise.resolve();

  constructor(socket: Socket, conversation: Conversation, paceMs: number) {
    this.#socket = socket;
    this.#conversation = conversation;
    this.#paceMs = paceMs;
  }

  start(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#push(chunk));
    this.#socket.on('end', () => this.#socket.end());
    this.#socket.resume();
    this.#say(this.#conversation.opening);
  }

  #push(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (let frame = this.#take(); frame !== undefined; frame = this.#take()) this.#handle(frame);
  }

  /** The next whole frame, taken out of what was received. */
  #take(): Frame | undefined {
    const bytes = this.#received;
    if (bytes.length < 2 || this.#socket.writableEnded) return undefined;
    const [first = 0, second = 0] = bytes;
    // Frames from a client are masked (RFC 6455 5.1).
    if ((second & 0x80) === 0) return this.#end(PROTOCOL_ERROR);
    const short = second & 0x7f;
    const at = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < at + 4) return undefined;
    const length =
      at === 2 ? short : at === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (this.#message.length + length > MAX_MESSAGE_BYTES) return this.#end(TOO_BIG);
    const end = at + 4 + length;
    if (bytes.length < end) return undefined;
    const mask = bytes.subarray(at, at + 4);
    const payload = Buffer.from(bytes.subarray(at + 4, end));
    for (let i = 0; i < payload.length; i += 1) payload[i] = (payload[i] ?? 0) ^ (mask[i % 4] ?? 0);
    this.#received = bytes.subarray(end);
    return { isLast: (first & 0x80) !== 0, opcode: first & 0x0f, payload };
  }

  #handle({ isLast, opcode, payload }: Frame): void {
    if (opcode === OPCODES.close) {
      this.#socket.end(frameOf(OPCODES.close, payload));
    } else if (opcode === OPCODES.ping) {
      this.#socket.write(frameOf(OPCODES.pong, payload));
    } else if (opcode <= OPCODES.binary) {
      this.#message = Buffer.concat([this.#message, payload]);
      if (!isLast) return;
      const message = parsed(this.#message);
      this.#message = Buffer.alloc(0);
      if (message !== undefined) this.#say(this.#conversation.answer(message));
    }
  }

  #say(messages: Iterable<object>): void {
    this.#said = this.#said.then(async () => {
      for (const message of messages) {
        if (this.#socket.destroyed || this.#socket.writableEnded) return;
        this.#socket.write(frameOf(OPCODES.text, Buffer.from(JSON.stringify(message))));
        if (this.#paceMs > 0) await sleep(this.#paceMs);
      }
    });
  }

  #end(code: number): undefined {
    this.#socket.end(closeFrame(code, false));
  }
}

function frameOf(opcode: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 2 : 4);
  head[0] = 0x80 | opcode;
  if (head.length === 2) {
    head[1] = payload.length;
  } else {
    // What is said here is far below 64 KiB.
    head[1] = 126;
    head.writeUInt16BE(payload.length, 2);
  }
  return Buffer.concat([head, payload]);
}

function parsed(message: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(message.toString());
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
