// Where a command writes: results, errors, and how wide a line may be. Content is up to the
// callers; commands are handed a Terminal, so that tests can read what a person would.

import { stripVTControlCharacters } from 'node:util';

/** The two streams of a command. */
export interface Terminal {
  /** Results: stdout. */
  write(text: string): void;
  /** Everything else: errors, progress, hints; stderr. */
  complain(text: string): void;
  /** Columns of stdout when it is a terminal; undefined when it is a pipe or a file. */
  readonly columns: number | undefined;
  /** Columns of stderr when it is a terminal. */
  readonly complaintColumns: number | undefined;
  /** Lines of stdout when it is a terminal. */
  readonly lines?: number | undefined;
  /** Whether stdout shows colours; no, where nothing is said. */
  readonly colour?: boolean;
}

/** Writes text that may hold colours, with them only where they are shown. */
export function show(terminal: Terminal, text: string): void {
  terminal.write(terminal.colour === true ? text : stripVTControlCharacters(text));
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Whether stdout gets colours. FORCE_COLOR wins over NO_COLOR, as in Node; a pipe gets them only
 * when forced.
 */
export function wantsColour(env: Env, stdout: NodeJS.WriteStream): boolean {
  const { FORCE_COLOR: forced } = env;
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return stdout.isTTY === true && stdout.hasColors();
}

/** A terminal that does not tell its width, as under some CI systems. */
const USUAL_COLUMNS = 80;
const USUAL_LINES = 24;

/**
 * The terminal of this process. A reader that went away (`| head`) ends the output, not the
 * command.
 */
export function processTerminal(colour: boolean): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.listenerCount('error') === 0) stream.on('error', () => {});
  }
  return {
    colour,
    write: (text) => void process.stdout.write(text),
    complain: (text) => void process.stderr.write(text),
    get columns() {
      return process.stdout.isTTY ? process.stdout.columns || USUAL_COLUMNS : undefined;
    },
    get lines() {
      return process.stdout.isTTY ? process.stdout.rows || USUAL_LINES : undefined;
    },
    get complaintColumns() {
      return process.stderr.isTTY ? process.stderr.columns || USUAL_COLUMNS : undefined;
    },
  };
}
