// What a command may say and where: text for people or machines, complaints, and how wide a line
// may be. Content is up to the callers; commands take one of these, so that tests read what a
// person would.

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
}

/** A terminal that does not tell its width, as under some CI systems. */
const USUAL_COLUMNS = 80;

/**
 * The terminal of this process. A reader that went away (`| head`) ends the output, not the
 * command.
 */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.listenerCount('error') === 0) stream.on('error', () => {});
  }
  return {
    write: (text) => void process.stdout.write(text),
    complain: (text) => void process.stderr.write(text),
    get columns() {
      return process.stdout.isTTY ? process.stdout.columns || USUAL_COLUMNS : undefined;
    },
    get complaintColumns() {
      return process.stderr.isTTY ? process.stderr.columns || USUAL_COLUMNS : undefined;
    },
  };
}
