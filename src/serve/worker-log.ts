// A worker's log lines on their way to the coordinator, which alone writes them: gathered, since a
// message costs both threads as much as a line does.

/** Lines of requests wait so long for others, at most: so much is lost when a worker dies. */
const GATHER_MS = 10;
/** So many characters do not wait. */
const ENOUGH_CHARS = 16 * 1024;

/** Gathers lines, whose order it keeps. */
export class WorkerLog {
  readonly #send: (lines: string) => void;
  #lines = '';
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #isEnding = false;

  /** @param send takes whole lines, one or several */
  constructor(send: (lines: string) => void) {
    this.#send = send;
  }

  /** Takes a line that leaves with this turn of the event loop. */
  readonly write = (line: string): void => {
    this.#lines += line;
    this.#hasten();
  };

  /** Takes a line that may wait for others. */
  readonly gather = (line: string): void => {
    this.#lines += line;
    if (this.#isEnding || this.#lines.length >= ENOUGH_CHARS) this.#hasten();
    else if (!this.#isDue) this.#timer ??= setTimeout(this.#flush, GATHER_MS);
  };

  /** From now on no line waits: the thread may end at any time. */
  end(): void {
    this.#isEnding = true;
    this.#flush();
  }

  /** Once a turn, however many of its lines are urgent. */
  #hasten(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDue = false;
    const lines = this.#lines;
    if (lines === '') return;
    this.#lines = '';
    this.#send(lines);
  };
}
