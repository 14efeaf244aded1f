// The coordinator's side of the key file: read at the start, again when it changes, on SIGHUP and
// for /reset-keys. A bad file changes nothing; what each reading did is logged.

import { ConfigError } from '../../errors.ts';
import type { Logger } from '../../log/log.ts';
import { readKeyFile } from '../../pool/keys/key-file.ts';
import { forgetAll } from '../../pool/keys/key-memory.ts';
import { KeyReload, type ReloadResult } from '../../pool/keys/key-reload.ts';
import type { KeyTable } from '../../pool/table/key-table.ts';
import type { UpstreamPool } from '../../pool/upstreams/upstream-pool.ts';
import { FileWatch } from '../../store/file-watch.ts';
import type { ReloadReport } from '../worker-protocol.ts';
import { appendKeys } from './append-keys.ts';

export interface KeySourceParts {
  readonly path: string;
  /** What names the file, for problems with it. */
  readonly setting: string;
  readonly table: KeyTable;
  readonly upstreams: UpstreamPool;
  readonly log: Logger;
  /** Milliseconds by the steady clock. */
  readonly now: () => number;
  /** Called with the rows of keys that are new in the table. */
  readonly onAdded: (rows: readonly number[]) => void;
}

/** Keeps the key table equal to the key file. */
export class KeySource {
  readonly #parts: KeySourceParts;
  readonly #reload: KeyReload;
  /** One reading at a time: the next waits for this one, and those behind it share the next. */
  #running: Promise<ReloadReport> | undefined;
  #waiting: Promise<ReloadReport> | undefined;
  #problem = '';

  constructor(parts: KeySourceParts) {
    this.#parts = parts;
    this.#reload = new KeyReload(parts.table, parts.upstreams.list);
  }

  /**
   * The first reading.
   * @throws ConfigError when the file cannot be used
   */
  async load(startIndex: number): Promise<ReloadResult> {
    const { path, setting } = this.#parts;
    const file = await readKeyFile(path);
    if (!file.ok) throw new ConfigError(file.problems.map((problem) => `${setting}: ${problem}`));
    const result = this.#reload.apply(file.keys, this.#parts.now(), startIndex);
    this.#parts.onAdded(result.addedRows);
    this.#tell('keys loaded', result);
    return result;
  }

  /** Reads the file again; unchanged keys keep what was learned about them. Never rejects. */
  again(): Promise<ReloadReport> {
    if (this.#running === undefined) return this.#run();
    this.#waiting ??= this.#running.then(() => {
      this.#waiting = undefined;
      return this.#run();
    });
    return this.#waiting;
  }

  /** The same for somebody who asked for it: it is told also when nothing has changed. */
  async onRequest(): Promise<void> {
    const { log, path } = this.#parts;
    const { ok, message } = await this.again();
    if (ok) log.info('key file reloaded', { file: path, result: message });
  }

  /** Why the last reading changed nothing; '' when it was good. */
  get problem(): string {
    return this.#problem;
  }

  /** Reads the file again whenever it changes, until disposed of. */
  watch(): Promise<Disposable> {
    return FileWatch.start(this.#parts.path, () => void this.again());
  }

  /**
   * Appends keys, after a look at each line and a copy of the file as it was. Lines that are in it
   * already are told and left out.
   */
  async append(text: string): Promise<ReloadReport> {
    const { path } = this.#parts;
    const report = await appendKeys(path, text);
    if (!report.ok) return report;
    this.#parts.log.info('keys added by an operator', { file: path, result: report.message });
    const read = await this.again();
    return read.ok ? report : read;
  }

  /** Reads the file again and forgets what was learned: every key is ready. */
  async reset(): Promise<ReloadReport> {
    const report = await this.again();
    // A bad file keeps the old keys, and these can be reset all the same.
    forgetAll(this.#parts.table, this.#parts.now());
    this.#parts.log.info('all keys are healthy again');
    return report.ok ? { ok: true, message: 'all keys are healthy again' } : report;
  }

  #run(): Promise<ReloadReport> {
    const running = this.#read().finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #read(): Promise<ReloadReport> {
    const { path, log, onAdded } = this.#parts;
    const file = await readKeyFile(path);
    if (!file.ok) {
      const message = `key file rejected; still using the previous keys: ${file.problems.join('; ')}`;
      log.error(message);
      this.#problem = message;
      return { ok: false, message };
    }
    this.#problem = '';
    const result = this.#reload.apply(file.keys, this.#parts.now());
    if (result.added > 0 || result.removed > 0) {
      onAdded(result.addedRows);
      this.#tell('keys reloaded', result);
    }
    return { ok: true, message: `${result.total} keys, ${result.added} new` };
  }

  #tell(what: string, result: ReloadResult): void {
    const { log, path } = this.#parts;
    const { total, added, removed, duplicates, dropped } = result;
    log.info(what, { file: path, keys: total, added, removed });
    if (duplicates > 0) {
      const first = result.toldDuplicates[0];
      const example = first && `line ${first.line} repeats line ${first.firstLine}`;
      log.warn('duplicate keys in the key file; each is used once', {
        file: path,
        duplicates,
        example,
      });
    }
    if (dropped > 0) log.error('the key table is full; some keys were not loaded', { dropped });
  }
}
