// When a file that people edit (keys, groups) may have changed: by the file system's notice where
// there is one, by looking now and then where there is none (network mounts, bind mounts). Reading
// it, and what to do about a bad file, is up to the caller.
//
// The directory is watched, not the file: editors replace the file, Kubernetes swaps the link
// `..data`.

import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface WatchTimes {
  /** The file has been as it is for so long before it is read: who writes it has finished. */
  readonly settleMs: number;
  /** A file that is written without end is read after so long all the same. */
  readonly patienceMs: number;
  /** How often to look without having been told. */
  readonly pollMs: number;
}

const WATCH_TIMES: WatchTimes = { settleMs: 200, patienceMs: 10_000, pollMs: 5_000 };

/** A file's content cannot have changed while all of these are the same. */
type Signature = string;
const MISSING: Signature = 'missing';

export class FileWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #times: WatchTimes;
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #settling: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Looks in a row that found the file different from the look before. */
  #unstableLooks = 0;
  #told: Signature;
  #seen: Signature;

  private constructor(path: string, onChange: () => void, times: WatchTimes, now: Signature) {
    this.#path = path;
    this.#onChange = onChange;
    this.#times = times;
    this.#told = now;
    this.#seen = now;
  }

  /**
   * Calls `onChange` after each change from now on, once the file has settled; also when it is gone
   * for good, so that this can be said. Does not keep the process alive.
   */
  static async start(
    path: string,
    onChange: () => void,
    times: WatchTimes = WATCH_TIMES,
  ): Promise<FileWatch> {
    const fileWatch = new FileWatch(path, onChange, times, await signatureOf(path));
    fileWatch.#begin();
    return fileWatch;
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#watcher?.close();
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
  }

  #begin(): void {
    this.#poll = setInterval(() => {
      if (this.#watcher === undefined) this.#listen();
      void this.#look();
    }, this.#times.pollMs).unref();
    this.#listen();
  }

  #listen(): void {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, () => this.#settle());
      // Out of watches, or the directory is gone: looking now and then must do, until it works
      // again.
      watcher.on('error', () => {
        watcher.close();
        this.#watcher = undefined;
      });
      this.#watcher = watcher;
    } catch {
      this.#watcher = undefined;
    }
  }

  /**
   * Not put off by further notices: they may never end. Two looks tell whether the file is at rest.
   */
  #settle(): void {
    if (this.#stopped || this.#settling !== undefined) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      void this.#look();
    }, this.#times.settleMs).unref();
  }

  async #look(): Promise<void> {
    const now = await signatureOf(this.#path);
    if (this.#stopped) return;
    if (now === this.#told) {
      this.#seen = now;
      this.#unstableLooks = 0;
      return;
    }
    const { patienceMs, settleMs } = this.#times;
    if (now !== this.#seen && this.#unstableLooks * settleMs < patienceMs) {
      this.#unstableLooks++;
      this.#seen = now;
      // A file that is being replaced is missing for a moment; one that is gone can wait for the
      // next look.
      if (now !== MISSING) this.#settle();
      return;
    }
    this.#unstableLooks = 0;
    this.#seen = now;
    this.#told = now;
    this.#onChange();
  }
}

async function signatureOf(path: string): Promise<Signature> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return MISSING;
  }
}
