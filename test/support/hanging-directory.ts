// A directory whose file system never answers, as a network drive that is gone: FUSE without
// anybody behind it. Needs root and /dev/fuse; elsewhere the test says so and is passed over.

import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DEVICE = '/dev/fuse';

/** The `skip` option for a test that needs such a directory. */
export function needsHangingDirectory(): { skip?: string } {
  try {
    accessSync(DEVICE, constants.R_OK | constants.W_OK);
    hangingDirectory()[Symbol.dispose]();
    return {};
  } catch {
    return { skip: 'no file system can be mounted here' };
  }
}

/** Everything below its path waits until it is disposed, and fails then. */
export function hangingDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'gpt-load-hanging-'));
  const device = openSync(DEVICE, 'r+');
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
  const mounted = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'hanging', path], {
    stdio: ['ignore', 'ignore', 'ignore', device],
    timeout: 5_000,
  });
  const end = (): void => {
    // Whoever waits is told that nobody is there; then there is nothing to wait for.
    closeSync(device);
    spawnSync('umount', ['-l', path], { timeout: 5_000 });
    rmdirSync(path);
  };
  if (mounted.status !== 0) {
    end();
    throw new Error('the file system could not be mounted');
  }
  return { path, [Symbol.dispose]: end };
}
