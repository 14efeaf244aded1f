// Signals as promises: the first SIGTERM or SIGINT asks for an orderly end, a second one for an end
// at once; SIGHUP asks to read files again. What follows is up to its caller.

/** What this process listens for while it lives. */
export class Signals implements Disposable {
  /** The first SIGTERM or SIGINT. */
  readonly stop: Promise<NodeJS.Signals>;
  /** The second one. */
  readonly again: Promise<NodeJS.Signals>;
  readonly #onStop: (signal: NodeJS.Signals) => void;
  #onHangup: () => void = () => {};

  constructor() {
    const first = Promise.withResolvers<NodeJS.Signals>();
    const second = Promise.withResolvers<NodeJS.Signals>();
    let stopping = false;
    this.#onStop = (signal) => {
      if (stopping) second.resolve(signal);
      else first.resolve(signal);
      stopping = true;
    };
    this.stop = first.promise;
    this.again = second.promise;
    process.on('SIGTERM', this.#onStop);
    process.on('SIGINT', this.#onStop);
    // Unheard, SIGHUP would end the process: also on a terminal that closes, which is what users
    // expect.
    process.on('SIGHUP', this.#hangup);
  }

  onHangup(act: () => void): void {
    this.#onHangup = act;
  }

  readonly #hangup = (): void => this.#onHangup();

  [Symbol.dispose](): void {
    process.off('SIGTERM', this.#onStop);
    process.off('SIGINT', this.#onStop);
    process.off('SIGHUP', this.#hangup);
  }
}
