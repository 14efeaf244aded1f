// What a command may know about the process that it runs in: all that serving may, and the
// terminal. Only main.ts reads it from there, and hands it to commands.

import type { Config, Env } from '../config/config.ts';
import type { Grouping } from '../config/grouping.ts';
import type { Runtime } from '../serve/runtime.ts';
import type { Terminal } from './terminal.ts';

export interface CommandRuntime extends Runtime {
  readonly terminal: Terminal;
  /** The .env file that was read; undefined when there was none. */
  readonly envFile: string | undefined;
  /** Its variables, and those of the real environment over them. */
  readonly env: Env;
  /** Groups and clients, read anew at each call. Rejects with a ConfigError. */
  readonly readGrouping: (config: Config) => Promise<Grouping>;
}
