// What a command may know of the process that it runs in. Only main.ts reads it there (process.env,
// argv, streams); commands, and what they start, get it handed.

import type { Terminal } from '../cli/terminal.ts';

export interface Runtime {
  readonly terminal: Terminal;
  /** Standard output is a terminal that shows colours (NO_COLOR and FORCE_COLOR are respected). */
  readonly colour: boolean;
  readonly identity: Identity;
  /** The .env file that was read; undefined when there was none. */
  readonly envFile: string | undefined;
  /** For the log: names in that file that look like misspelt variables. */
  readonly warnings: readonly string[];
  /** Called once, when requests are answered. */
  readonly onReady?: () => void;
  /** Sockets that systemd passed: LISTEN_FDS and LISTEN_PID as they are in the environment. */
  readonly activation: {
    readonly listenFds: string | undefined;
    readonly listenPid: string | undefined;
    readonly pid: number;
  };
}

/** What --version tells, and what a bug report should. */
export interface Identity {
  readonly version: string;
  readonly commit: string;
  /** `linux-x64` */
  readonly platform: string;
  /** The Node that runs it, without `v`. */
  readonly node: string;
}
