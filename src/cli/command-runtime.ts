// What a command may know of the process that it runs in: all that serving may, and the terminal.
// Only main.ts reads it there; commands get it handed.

import type { Runtime } from '../serve/runtime.ts';
import type { Terminal } from './terminal.ts';

export interface CommandRuntime extends Runtime {
  readonly terminal: Terminal;
  /** The .env file that was read; undefined when there was none. */
  readonly envFile: string | undefined;
}
