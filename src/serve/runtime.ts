// What serving may know about the process that it runs in. Only main.ts reads it from there
// (process.env, argv), and hands it on.

export interface Runtime {
  /** Standard output is a terminal that shows colours (NO_COLOR and FORCE_COLOR are respected). */
  readonly colour: boolean;
  readonly identity: Identity;
  /** For the log: names in the .env file that look like misspelt variables. */
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
