// Whether this process may open no more files. A name that cannot be looked up for want of a
// descriptor looks like one that does not exist: the C library says no more than that.

import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/** As many as a look-up has open at a time: its files, and a socket to each of two name servers. */
const LOOKUP_DESCRIPTORS = 4;

/** Asked after a failure only: it opens a few, and closes them. */
export function isOutOfDescriptors(): boolean {
  const opened: number[] = [];
  try {
    for (let i = 0; i < LOOKUP_DESCRIPTORS; i += 1) opened.push(openSync(devNull, 'r'));
    return false;
  } catch (error) {
    return isDescriptorError(error as NodeJS.ErrnoException);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** This process (EMFILE) or the machine (ENFILE) has no more. */
export function isDescriptorError({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EMFILE' || code === 'ENFILE';
}
