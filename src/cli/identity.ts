// Which program this is. The bundler writes in version and commit; when run from source, they come
// from package.json and git.

import { readFileSync } from 'node:fs';
import type { Identity } from '../serve/runtime.ts';

declare const __VERSION__: string | undefined;
declare const __COMMIT__: string | undefined;

/** A git that hangs (a network file system, say) must not keep the program from starting. */
const GIT_TIMEOUT_MS = 1000;

/** Without git, or outside a checkout, the commit is `unknown`. */
export function identity(): Identity {
  return {
    version: typeof __VERSION__ === 'string' ? __VERSION__ : sourceVersion(),
    commit: typeof __COMMIT__ === 'string' ? __COMMIT__ : sourceCommit(),
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
  };
}

/** One line for --version. */
export function identityLine({ version, commit, platform, node }: Identity): string {
  return `gpt-load ${version} (commit ${commit}, ${platform}, Node ${node})`;
}

function sourceVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function sourceCommit(): string {
  try {
    return process
      .getBuiltinModule('node:child_process')
      .execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
        cwd: new URL('.', import.meta.url),
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: GIT_TIMEOUT_MS,
      })
      .trim();
  } catch {
    return 'unknown';
  }
}
