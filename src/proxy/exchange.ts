// One client request with its answer, from arrival to the access-log line. Knows whether the client
// is still there and whom to tell when it leaves; decides nothing about keys or upstreams.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessAttempt } from '../log/access-line.ts';
import type { RequestTarget } from '../policy/request-target.ts';

/** The state of one request. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: RequestTarget;
  readonly id: string;
  /** Coarse monotonic time of arrival, in milliseconds. */
  readonly startMs: number;
  /** Who asked. Kept because a closed socket no longer knows its peer. */
  readonly clientAddress: string;
  readonly attempts: AccessAttempt[] = [];
  readonly closed: Promise<void>;
  /** The client left before its answer was complete. */
  clientLeft = false;
  /** Milliseconds from arrival to the first byte towards the client; -1: none was sent. */
  firstByteMs = -1;
  bytesIn = 0;
  bytesOut = 0;
  /** Why the answer ended early, for the log; undefined: it did not. */
  ended: string | undefined;
  /** Told once when the exchange ends early: whatever is being waited for right now. */
  onClientLeft: (() => void) | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    target: RequestTarget,
    origin: { id: string; startMs: number; clientAddress: string },
  ) {
    this.request = request;
    this.response = response;
    this.target = target;
    this.id = origin.id;
    this.startMs = origin.startMs;
    this.clientAddress = origin.clientAddress;
    this.closed = new Promise((resolve) => {
      response.on('close', () => {
        this.clientLeft = !response.writableFinished;
        if (this.clientLeft) this.onClientLeft?.();
        this.onClientLeft = undefined;
        resolve();
      });
    });
  }

  /** The client asks to switch to WebSocket (upgrade.ts). */
  get upgrade(): boolean {
    return (this.request as { upgrade?: boolean }).upgrade === true;
  }

  get method(): string {
    return this.request.method ?? 'GET';
  }
}
