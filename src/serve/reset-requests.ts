// A worker's requests to the coordinator to read the key file again, matched with their reports.

import type { MessagePort } from 'node:worker_threads';
import type { FromWorker, ReloadReport } from './worker-protocol.ts';

/** Resets that may be asked for at once by one worker; more share the last one's report. */
const MAX_OPEN_RESETS = 64;

export class ResetRequests {
  readonly #port: MessagePort;
  readonly #open = new Map<number, (report: ReloadReport) => void>();
  #last: Promise<ReloadReport> | undefined;
  #ids = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** Settles with the coordinator's report. */
  ask(): Promise<ReloadReport> {
    if (this.#open.size >= MAX_OPEN_RESETS && this.#last !== undefined) return this.#last;
    this.#ids += 1;
    const id = this.#ids;
    this.#last = new Promise((resolve) => this.#open.set(id, resolve));
    this.#port.postMessage({ kind: 'reset', id } satisfies FromWorker);
    return this.#last;
  }

  /** A report that nobody waits for is passed over. */
  answered(id: number, report: ReloadReport): void {
    this.#open.get(id)?.(report);
    this.#open.delete(id);
  }
}
