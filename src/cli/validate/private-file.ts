// Writes files that hold keys: readable by their owner alone, and whole or not at all.

import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Written at once, so that a list of a million keys never exists as one string. */
const CHUNK_CHARS = 1024 * 1024;

type Piece = string | Buffer;

/**
 * Replaces the file at `path` by these pieces, through a temporary file in the same directory. Mode
 * 0600, or mode and owner of `like`.
 * @throws what the file system says; the old file is then untouched.
 */
export function writePrivateFile(path: string, pieces: Iterable<Piece>, like?: Stats): void {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeAll(fd, pieces);
      if (like !== undefined) fchmodSync(fd, like.mode & 0o777);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (like !== undefined) keepOwner(temporary, like);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeAll(fd: number, pieces: Iterable<Piece>): void {
  let text = '';
  for (const piece of pieces) {
    if (typeof piece === 'string') text += piece;
    if (typeof piece === 'string' && text.length < CHUNK_CHARS) continue;
    writeWhole(fd, Buffer.from(text));
    text = '';
    if (typeof piece !== 'string') writeWhole(fd, piece);
  }
  writeWhole(fd, Buffer.from(text));
}

function writeWhole(fd: number, bytes: Buffer): void {
  for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
}

/** Only root may give files away; anybody else owned the old file or could not have kept it. */
function keepOwner(path: string, like: Stats): void {
  try {
    chownSync(path, like.uid, like.gid);
  } catch {
    // The proxy reads the file as whoever runs it; the mode is what protects the keys.
  }
}
