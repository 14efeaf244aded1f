// Reads the .env file and lets the environment override it. What the variables mean is config.ts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { ConfigError } from '../errors.ts';
import type { Env } from './config.ts';
import { nearest } from './nearest.ts';
import { VARIABLES } from './variables.ts';

export interface LoadedEnv {
  readonly env: Env;
  /** The file that was read, if there was one. */
  readonly file: string | undefined;
  /** Lines for people about names in the file that look like misspelt variables. */
  readonly warnings: readonly string[];
}

/**
 * The environment with a file's variables beneath it: `given` (--env-file), else `.env` in
 * `directory`. Node looks for `--env-file` among a program's own arguments too
 * (nodejs/node#54232) and ends with code 9 when there is no such file, unless `--` stands before
 * the program: the packed binary, the npm package and the Makefile see to that.
 * @throws ConfigError when `given` is missing, or when the file is there and cannot be read.
 */
export function loadEnv(environment: Env, directory: string, given: string | undefined): LoadedEnv {
  const file = given ?? join(directory, '.env');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (given === undefined && code === 'ENOENT') {
      return { env: environment, file: undefined, warnings: [] };
    }
    const name = given === undefined ? '.env' : '--env-file';
    throw new ConfigError([`${name}: must be a readable file, got "${file}" (${code ?? error})`]);
  }
  // parseEnv would take a byte order mark for a part of the first name.
  const fromFile = parseEnv(withWholeValues(text.replace(/^\ufeff/, '')));
  return { env: { ...fromFile, ...environment }, file, warnings: misspelt(file, fromFile) };
}

/** One assignment: its name, and its value with or without quotes, which may span lines. */
const ASSIGNMENT =
  /^([ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*=[ \t]*)("[^"]*"|'[^']*'|`[^`]*`|[^\r\n]*)/gm;

/**
 * In a value without quotes a # begins a comment only after white space, as in Docker's and
 * systemd's environment files; parseEnv would cut `abc#def` to `abc`. Such values get quotes.
 */
function withWholeValues(text: string): string {
  return text.replace(ASSIGNMENT, (whole, name: string, given: string) => {
    if (/^["'`]/.test(given) || !given.includes('#')) return whole;
    const value = given.replace(/(?:^|[ \t])#.*$/, '').trimEnd();
    // Within double quotes, \n is a line break; elsewhere it is what it says.
    const marks = value.includes('\\') ? ["'", '`'] : ['"', "'", '`'];
    const quote = marks.find((mark) => !value.includes(mark));
    return quote === undefined ? whole : `${name}${quote}${value}${quote}`;
  });
}

/**
 * A .env file may hold other programs' variables; only what nearly is one of ours is worth a word.
 */
function misspelt(file: string, fromFile: Env): string[] {
  const known = Object.values(VARIABLES).flatMap(({ name, alias }) =>
    alias ? [name, alias] : [name],
  );
  return Object.keys(fromFile).flatMap((name) => {
    const meant = known.includes(name) ? undefined : nearest(name, known);
    return meant === undefined ? [] : [`${file}: unknown variable ${name}; did you mean ${meant}?`];
  });
}
