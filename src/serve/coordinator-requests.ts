// What a worker asks the coordinator, matched with what it answers: key files are read again there,
// and lists of models are kept there, once for all workers.

import type { MessagePort } from 'node:worker_threads';
import type { FromWorker } from './worker-protocol.ts';

/** Questions of one kind that may be open at once; more share the last one's answer. */
const MAX_OPEN = 64;

/** The open questions of one kind. */
export class CoordinatorRequests<Answer> {
  readonly #port: MessagePort;
  readonly #open = new Map<number, (answer: Answer) => void>();
  #last: Promise<Answer> | undefined;
  #ids = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** Settles with the coordinator's answer. */
  ask(question: (id: number) => FromWorker): Promise<Answer> {
    if (this.#open.size >= MAX_OPEN && this.#last !== undefined) return this.#last;
    this.#ids += 1;
    const id = this.#ids;
    this.#last = new Promise((resolve) => this.#open.set(id, resolve));
    this.#port.postMessage(question(id));
    return this.#last;
  }

  /** An answer that nobody waits for is passed over. */
  answered(id: number, answer: Answer): void {
    this.#open.get(id)?.(answer);
    this.#open.delete(id);
  }
}
