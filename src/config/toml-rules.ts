// The rules that values of gpt-load.toml are held to: those of variables (rules.ts), given as TOML
// has them, and those of what only groups and clients have.

import { connectionField } from '../policy/headers.ts';
import type { Env } from './config.ts';
import type { Rule } from './rules.ts';
import type { ValueRule } from './toml-file.ts';

/** RFC 9110 5.6.2 and 5.5. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELD_VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;
/** Of a pattern or a model's name; stars in it, which each cost a search. */
const MAX_NAME_CHARS = 256;
const MAX_STARS = 8;

/** A string, held to a variable's rule. */
export function text<T>({ text, parse }: Rule<T>): ValueRule<T> {
  return {
    text,
    parse: (value) => (typeof value === 'string' && value !== '' ? parse(value) : undefined),
  };
}

/** A string, number or boolean, held to a variable's rule. */
export function scalar<T>({ text, parse }: Rule<T>): ValueRule<T> {
  return {
    text,
    parse: (value) => {
      if (typeof value === 'string') return value === '' ? undefined : parse(value);
      return typeof value === 'number' || typeof value === 'boolean'
        ? parse(String(value))
        : undefined;
    },
  };
}

/** A string or a list of strings, held to the rule of a comma-separated list. */
export function list<T>({ text, parse }: Rule<T>): ValueRule<T> {
  return {
    text: text.replace('a comma-separated list', 'a string or a list'),
    parse: (value) => {
      const items = strings(value);
      return items === undefined || items.some((item) => item.includes(','))
        ? undefined
        : parse(items.join(','));
    },
  };
}

/** Names of groups. */
export const names: ValueRule<readonly string[]> = {
  text: 'a list of names of groups',
  parse: (value) => (Array.isArray(value) ? unique(strings(value)) : undefined),
};

/** Models, with `*` and `?`. */
export const patterns: ValueRule<readonly string[]> = {
  text: `a list of models, in which * stands for anything (at most ${MAX_STARS} times) and ? for one character`,
  parse: (value) => {
    const items = Array.isArray(value) ? strings(value) : undefined;
    const isGood = items?.every((item) => isModel(item) && item.split('*').length <= MAX_STARS + 1);
    return isGood ? unique(items) : undefined;
  },
};

/** Models by the names that clients use, and as the upstream knows them. */
export const aliases: ValueRule<ReadonlyMap<string, string>> = {
  text: 'a table of models such as { "gpt-4o" = "openai/gpt-4o" }',
  parse: (value) => {
    const pairs = stringPairs(value);
    return pairs?.every((pair) => pair.every(isModel)) ? new Map(pairs) : undefined;
  },
};

/** Fields that requests get; the framing, the credential and the connection are not theirs. */
export const headers: ValueRule<readonly string[]> = {
  text: 'a table of header fields other than those of credentials, framing and connection',
  parse: (value) => {
    const pairs = stringPairs(value);
    const isGood = pairs?.every(([name, held]) => isFreeField(name) && FIELD_VALUE.test(held));
    return isGood ? pairs?.flat() : undefined;
  },
};

/** Fields that requests lose, in lower case. */
export const headerNames: ValueRule<readonly string[]> = {
  text: 'a list of header fields other than those of credentials, framing and connection',
  parse: (value) => {
    const items = Array.isArray(value) ? strings(value) : undefined;
    return items?.every(isFreeField) ? items.map((name) => name.toLowerCase()) : undefined;
  },
};

/** A client's key: itself, the variable that has it, or its SHA-256. */
export interface ClientKey {
  readonly text: string;
  readonly digest: string | undefined;
}

/** `env:NAME`, `sha256:HEX`, or the key. */
export function clientKey(env: Env): ValueRule<ClientKey> {
  return {
    text: '"env:NAME" of a variable that is set, "sha256:" and 64 hexadecimal digits, or visible ASCII characters without spaces',
    parse: (value) => {
      if (typeof value !== 'string') return undefined;
      const digest = /^sha256:([0-9a-f]{64})$/i.exec(value)?.[1]?.toLowerCase();
      if (digest !== undefined) return { text: '', digest };
      if (value.startsWith('sha256:')) return undefined;
      const key = value.startsWith('env:') ? (env[value.slice(4)] ?? '').trim() : value;
      return /^[\x21-\x7e]+$/.test(key) ? { text: key, digest: undefined } : undefined;
    },
  };
}

function strings(value: unknown): string[] | undefined {
  const items: unknown[] = Array.isArray(value) ? value : [value];
  return items.every((item) => typeof item === 'string' && item !== '')
    ? (items as string[])
    : undefined;
}

function stringPairs(value: unknown): [string, string][] | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const pairs = Object.entries(value);
  return pairs.every(([, held]) => typeof held === 'string')
    ? (pairs as [string, string][])
    : undefined;
}

function unique(items: readonly string[] | undefined): string[] | undefined {
  return items === undefined ? undefined : [...new Set(items)];
}

function isModel(name: string): boolean {
  return name !== '' && name.length <= MAX_NAME_CHARS && !/\p{Cc}/u.test(name);
}

function isFreeField(name: string): boolean {
  return TOKEN.test(name) && !connectionField(name.toLowerCase());
}
