// One HTTP/1.1 connection to an upstream: its socket, what is read from it, and the call that it
// serves, one at a time. Bytes that belong to no call end it: whoever sends more than was asked for
// would give one client another one's answer.

import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { Waiter } from '../deadlines.ts';
import { type ByteReader, isLending } from '../dial/lending-socket.ts';
import type { UpstreamAnswer } from '../transport.ts';
import { AnswerBody, type BodySource } from './answer-body.ts';
import { ResponseError } from './response-fields.ts';
import { type ResponseHead, ResponseParser, type ResponseReader } from './response-parser.ts';

/** The call that a connection serves. */
export interface ConnectionUser {
  onInterim(head: ResponseHead): void;
  onAnswer(answer: UpstreamAnswer): void;
  /** A 101; the socket is the caller's from now on, with what was read behind the head put back. */
  onUpgrade(head: ResponseHead, socket: Socket): void;
  /** The answer does not follow HTTP; the connection is closed. */
  onMalformed(error: ResponseError): void;
  /**
   * The connection ended before there was an answer.
   * @param untouched not a byte of an answer had come
   */
  onBroken(error: NodeJS.ErrnoException | undefined, untouched: boolean): void;
  /** The answer is over, or broke off, and the connection serves this call no longer. */
  onOver(): void;
}

/** Whose connection it is, when no call uses it. */
export interface ConnectionOwner {
  /** It may carry another call. */
  onFree(connection: Http1Connection, rawHeaders: readonly string[]): void;
  onClosed(connection: Http1Connection): void;
  /** The upstream sent bytes that nobody had asked for. */
  onStray(): void;
}

type OwnedSocket = Socket & { connection?: Http1Connection };

const NO_TRAILERS: readonly string[] = [];
/** Longer bodies are passed on from where they lie. */
const MAX_TEXT_BYTES = 16 * 1024;

export class Http1Connection extends Waiter implements ResponseReader, BodySource, ByteReader {
  readonly socket: Socket;
  /** It has served a call before: the upstream may close it just when the next one comes. */
  reused = false;
  /**
   * The call has sent all of its request; what is still in the socket's queue leaves before
   * anything else. (Whether the queue is empty says little: TLS tells that a write is done a turn
   * later, when its answer may be here.)
   */
  isSent = true;
  readonly #owner: ConnectionOwner;
  readonly #parser = new ResponseParser(this);
  #user: ConnectionUser | undefined;
  #answer: Http1Answer | undefined;
  /** Of the message at hand, while it is not known yet whether its body comes as a whole. */
  #head: ResponseHead | undefined;
  #early: Buffer[] = [];
  #untouched = true;
  #paused = false;
  /** What is being read is valid only for so long: whoever keeps it copies it. */
  #isLent = false;
  /** Of a body under way, what was lent by this read: its chunks are passed on as one. */
  #gathered: Buffer | undefined;
  #gatheredBytes = 0;

  constructor(socket: Socket, owner: ConnectionOwner) {
    super();
    this.socket = socket;
    this.#owner = owner;
    (socket as OwnedSocket).connection = this;
    socket.setNoDelay(true);
    socket.setTimeout(0);
    if (isLending(socket)) socket.reader = this;
    else socket.on('data', onData);
    socket.on('end', onEnd).on('error', onError).on('close', onClose);
    socket.resume();
  }

  /** The connection serves a call from now on; the caller writes its request. */
  begin(user: ConnectionUser, isHead: boolean): void {
    this.#user = user;
    this.#untouched = true;
    this.isSent = false;
    this.#parser.begin(isHead);
  }

  get isReading(): boolean {
    return this.#user !== undefined;
  }

  get isUsable(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  /** Ends the connection and what it carries. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Idle for too long. */
  expire(): void {
    this.socket.destroy();
  }

  resumeBody(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.socket.resume();
  }

  abandonBody(): void {
    this.#answer = undefined;
    this.#release();
    this.socket.destroy();
  }

  onInterim(head: ResponseHead): void {
    this.#user?.onInterim(head);
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
  }

  onBody(chunk: Buffer): void {
    // What is lent stays here no longer than this read.
    if (this.#head !== undefined) this.#early.push(chunk);
    else if (this.#gathered !== undefined) {
      this.#gatheredBytes += chunk.copy(this.#gathered, this.#gatheredBytes);
    } else this.#pass(chunk);
  }

  #pass(chunk: Buffer): void {
    if (this.#answer?.push(chunk) === false && !this.#paused) {
      this.#paused = true;
      this.socket.pause();
    }
  }

  onMessageEnd(trailers: readonly string[]): void {
    const head = this.#head;
    if (head === undefined) {
      this.#passGathered();
      const answer = this.#answer;
      // Its reader may have given it up at this very chunk.
      if (answer === undefined) return;
      this.#answer = undefined;
      this.#over(answer.rawHeaders);
      answer.end(trailers);
      return;
    }
    this.#head = undefined;
    const user = this.#user;
    const whole = this.#takeWhole();
    this.#over(head.rawHeaders);
    user?.onAnswer(new Http1Answer(head, { whole, trailers }));
  }

  read(bytes: Buffer, isLent: boolean): void {
    if (this.#user === undefined) {
      this.#stray();
      return;
    }
    this.#untouched = false;
    this.#isLent = isLent;
    this.#gatheredBytes = 0;
    // Never more than was read: what frames the chunks is left out.
    if (isLent && this.#answer !== undefined) this.#gathered = Buffer.allocUnsafe(bytes.length);
    try {
      const used = this.#parser.execute(bytes);
      this.#passGathered();
      if (this.#parser.upgraded) this.#upgrade(Buffer.from(bytes.subarray(used)));
      else if (this.#head !== undefined) this.#answerBegins();
      else if (used < bytes.length) this.#stray();
    } catch (error) {
      if (!(error instanceof ResponseError)) throw error;
      this.#passGathered();
      this.#malformed(error);
    } finally {
      this.#gathered = undefined;
    }
  }

  #passGathered(): void {
    const gathered = this.#gathered;
    if (gathered === undefined) return;
    this.#gathered = undefined;
    const bytes = this.#gatheredBytes;
    if (bytes > 0) this.#pass(gathered.subarray(0, bytes));
  }

  /** The upstream has sent its last byte. */
  finish(): void {
    if (this.#user !== undefined && !this.#parser.finish()) this.broke(undefined);
    this.socket.destroy();
  }

  /** The connection is gone: a call that it carries hears of it, once. */
  broke(error: NodeJS.ErrnoException | undefined): void {
    const [user, answer] = [this.#user, this.#answer];
    this.#answer = undefined;
    this.#release();
    if (answer !== undefined) answer.breakOff(error ?? new Error('the connection was closed'));
    else user?.onBroken(error, this.#untouched);
    if (answer !== undefined) user?.onOver();
  }

  closed(): void {
    this.broke(undefined);
    this.#owner.onClosed(this);
  }

  /** The head is there, and a part of the body at most. */
  #answerBegins(): void {
    const head = this.#head as ResponseHead;
    const early = this.#early;
    this.#head = undefined;
    this.#early = [];
    const answer = new Http1Answer(head, { source: this });
    this.#answer = answer;
    for (const chunk of early) this.onBody(this.#isLent ? Buffer.from(chunk) : chunk);
    this.#user?.onAnswer(answer);
  }

  /** A body that came with its head: a short one as text, which is what it is sent on as. */
  #takeWhole(): Buffer | string {
    const early = this.#early;
    const [first] = early;
    if (first === undefined) return '';
    this.#early = [];
    if (early.length > 1) return Buffer.concat(early);
    if (first.length <= MAX_TEXT_BYTES) return first.toString('latin1');
    return this.#isLent ? Buffer.from(first) : first;
  }

  /** A message has ended: the connection is free, if it may be and all that we sent was taken. */
  #over(rawHeaders: readonly string[]): void {
    const user = this.#user;
    const { socket } = this;
    const isReusable = this.#parser.keepAlive && this.isSent;
    this.#release();
    user?.onOver();
    if (!isReusable || !this.isUsable) {
      socket.destroy();
      return;
    }
    this.reused = true;
    this.resumeBody();
    this.#owner.onFree(this, rawHeaders);
  }

  #release(): void {
    this.#user = undefined;
    this.#head = undefined;
    if (this.#early.length > 0) this.#early = [];
  }

  #stray(): void {
    this.#owner.onStray();
    this.socket.destroy();
  }

  #malformed(error: ResponseError): void {
    const [user, answer] = [this.#user, this.#answer];
    this.#answer = undefined;
    this.#release();
    this.socket.destroy();
    if (answer === undefined) user?.onMalformed(error);
    else {
      answer.breakOff(error);
      user?.onOver();
    }
  }

  #upgrade(rest: Buffer): void {
    const head = this.#head as ResponseHead;
    const [user, { socket }] = [this.#user, this];
    this.#release();
    if (isLending(socket)) socket.reader = undefined;
    socket.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    socket.on('error', ignore).pause();
    this.#owner.onClosed(this);
    if (rest.length > 0) socket.unshift(rest);
    user?.onUpgrade(head, socket);
  }
}

/** An answer whose body is there as a whole, or comes from a connection. */
class Http1Answer implements UpstreamAnswer {
  readonly kind = 'answer';
  readonly status: number;
  readonly statusMessage: string;
  readonly rawHeaders: string[];
  readonly text: string | undefined;
  #whole: Buffer | undefined;
  #body: AnswerBody | undefined;
  #trailers: readonly string[] = NO_TRAILERS;
  #isComplete = false;

  constructor(
    head: ResponseHead,
    from: { whole: Buffer | string; trailers: readonly string[] } | { source: BodySource },
  ) {
    this.status = head.status;
    this.statusMessage = head.statusMessage;
    this.rawHeaders = head.rawHeaders;
    if ('source' in from) this.#body = new AnswerBody(from.source);
    else {
      if (typeof from.whole === 'string') this.text = from.whole;
      else this.#whole = from.whole;
      this.#trailers = from.trailers;
      this.#isComplete = true;
    }
  }

  get whole(): Buffer | undefined {
    if (this.#whole === undefined && this.text !== undefined) {
      this.#whole = Buffer.from(this.text, 'latin1');
    }
    return this.#whole;
  }

  /** Made when first needed: a body that is there as a whole is usually taken as it is. */
  get body(): Readable {
    if (this.#body === undefined) {
      this.#body = new AnswerBody(undefined);
      const { whole } = this;
      if (whole !== undefined && whole.length > 0) this.#body.push(whole);
      this.#body.end();
    }
    return this.#body;
  }

  trailers(): readonly string[] {
    return this.#trailers;
  }

  complete(): boolean {
    return this.#isComplete;
  }

  /** False when the reader has enough for now. */
  push(chunk: Buffer): boolean {
    return this.#body?.deliver(chunk) ?? true;
  }

  end(trailers: readonly string[]): void {
    this.#trailers = trailers;
    this.#isComplete = true;
    this.#body?.end();
  }

  breakOff(error: Error): void {
    this.#body?.breakOff(error);
  }
}

// Shared listeners: one function for all connections instead of closures for each.
function onData(this: Socket, chunk: Buffer): void {
  (this as OwnedSocket).connection?.read(chunk, false);
}
function onEnd(this: Socket): void {
  (this as OwnedSocket).connection?.finish();
}
function onError(this: Socket, error: Error): void {
  (this as OwnedSocket).connection?.broke(error);
}
function onClose(this: Socket): void {
  (this as OwnedSocket).connection?.closed();
}
function ignore(): void {}
