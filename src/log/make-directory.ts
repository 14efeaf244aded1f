// Makes a directory and those above it. Node's own way (`recursive`) asks again and again, without
// end, where the system says that the one above does not exist although it does: /proc does so.

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes what is missing of a path, in at most two calls for each of its parts.
 * @throws the system's error about the part that cannot be made
 */
export async function makeDirectory(path: string): Promise<void> {
  const error = await made(path);
  if (error === undefined) return;
  const above = dirname(path);
  if (error.code !== 'ENOENT' || above === path) throw error;
  await makeDirectory(above);
  const again = await made(path);
  if (again !== undefined) throw again;
}

/** What went wrong, if anything; that it is there already is right. */
async function made(path: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path);
  } catch (error) {
    // A file in its place shows when something is to be opened in it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return error as NodeJS.ErrnoException;
  }
  return undefined;
}
