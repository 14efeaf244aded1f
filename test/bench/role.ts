// Starts a benchmark's role (upstream, load generator) as a process of its own and talks to it: one
// message asks, one answers. It ends with this process, whatever happens.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export class Role implements AsyncDisposable {
  readonly #file: string;
  readonly #child: ChildProcess;

  /** `file`: in this directory. `execArgv`: for Node; `args`: for the file. */
  constructor(
    file: string,
    { execArgv = [], args = [] }: { execArgv?: string[]; args?: string[] } = {},
  ) {
    this.#file = file;
    this.#child = fork(join(import.meta.dirname, file), args, { execArgv });
  }

  /** The next message; rejects when the process ends instead. */
  next<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        this.#child.off('exit', onExit);
        resolve(message as T);
      };
      const onExit = (code: number | null): void => {
        this.#child.off('message', onMessage);
        reject(new Error(`${this.#file} ended with ${code}`));
      };
      this.#child.once('message', onMessage);
      this.#child.once('exit', onExit);
    });
  }

  ask<T>(message: object): Promise<T> {
    const answer = this.next<T>();
    this.#child.send(message);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }
}
