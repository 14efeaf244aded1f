// Collects what a run put out - logs, answers, files - and fails when a whole key is found in any
// of it. It knows nothing of previews: first and last four characters are allowed, the whole is
// not.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Shorter secrets would be found by chance; tests use longer keys. */
const minSecretLength = 13;
/** A text that is longer is searched up to here; answers of hundreds of megabytes are not kept. */
const maxSearchedBytes = 32 * 1024 * 1024;

export interface LeakCheck {
  readonly watch: (secrets: readonly string[]) => void;
  /** Adds an output under the name that a failure will show. */
  readonly add: (source: string, output: string | Buffer) => void;
  /** Adds every file below a directory, but those named. */
  readonly addFiles: (directory: string, except: readonly string[]) => void;
  readonly assertClean: () => void;
}

export function createLeakCheck(): LeakCheck {
  const secrets = new Set<string>();
  const outputs: { source: string; text: string }[] = [];
  const add = (source: string, output: string | Buffer) => {
    const text = typeof output === 'string' ? output : output.toString('latin1');
    outputs.push({ source, text: text.slice(0, maxSearchedBytes) });
  };
  return {
    watch: (more) => {
      for (const secret of more) if (secret.length >= minSecretLength) secrets.add(secret);
    },
    add,
    addFiles: (directory, except) => {
      for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (entry.isFile() && !except.includes(path)) add(path, readFileSync(path));
      }
    },
    assertClean: () => {
      for (const { source, text } of outputs) {
        for (const secret of secrets) {
          const at = text.indexOf(secret);
          const around = text
            .slice(Math.max(0, at - 80), at + secret.length + 40)
            .replaceAll(secret, '<THE KEY>');
          assert.equal(at, -1, `${source} contains a whole key: ...${around}...`);
        }
      }
    },
  };
}
