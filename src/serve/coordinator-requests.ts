// What a worker asks the coordinator, matched with what it answers: key files are read again there,
// and lists of models are kept there, once for all workers.

import type { MessagePort } from 'node:worker_threads';
import type { FromWorker } from './worker-protocol.ts';

/** Questions of one kind that may be open at once; more share the last one's answer. */
const MAX_OPEN = 64;

/** The open questions of one kind. */
export class CoordinatorRequests<Answer> {
  readonly #port: MessagePort;
  readonly #areAlike: boolean;
  readonly #open = new Map<number, (answer: Answer) => void>();
  #last: Promise<Answer> | undefined;
  #ids = 0;

  /** @param areAlike all questions of this kind have the same answer */
  constructor(port: MessagePort, areAlike = true) {
    this.#port = port;
    this.#areAlike = areAlike;
  }

  /**
   * Settles with the coordinator's answer. Rejects where too many questions are open that cannot
   * share one.
   */
  ask(question: (id: number) => FromWorker): Promise<Answer> {
    if (this.#open.size >= MAX_OPEN && this.#last !== undefined) {
      return this.#areAlike ? this.#last : Promise.reject(new Error('too many open questions'));
    }
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
