// The cases of a target that were found before, kept as files of bytes, and how one is run.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { FuzzTarget } from './fuzz-target.ts';
import { Random } from './random.ts';

const DIRECTORY = join(import.meta.dirname, '../fixtures/fuzz');

/** A target's cases by file name. */
export function casesOf({ name }: FuzzTarget): ReadonlyMap<string, Buffer> {
  const directory = join(DIRECTORY, name);
  try {
    const files = readdirSync(directory).sort();
    return new Map(files.map((file) => [file, readFileSync(join(directory, file))]));
  } catch {
    return new Map();
  }
}

/** Keeps a case that broke a promise. @returns where */
export function keepCase(name: string, input: Uint8Array): string {
  const directory = join(DIRECTORY, name);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${crc32(input).toString(16).padStart(8, '0')}.bin`);
  writeFileSync(file, input);
  return file;
}

/** What a target's search starts from. */
export function knownInputs(target: FuzzTarget): Buffer[] {
  const seeds = target.seeds.map((seed) => Buffer.from(seed as string));
  return [...seeds, ...casesOf(target).values()];
}

/** @throws what is wrong, if the promise does not hold for this input */
export async function runCase(target: FuzzTarget, input: Buffer): Promise<void> {
  await target.check(input, new Random(crc32(input)));
}
