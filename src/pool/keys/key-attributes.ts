// What may stand behind a key on its line, `name=value` each: how it is picked, what it may be
// asked, and which way it takes. Reads one attribute and says what is wrong with it; never repeats
// a value, which may be a key that slipped into the line.

import { nearest } from '../../config/nearest.ts';
import { proxyUrl } from '../../config/rules.ts';
import {
  MAX_QUOTAS,
  NO_QUOTAS,
  QUOTA_KINDS,
  type Quotas,
  UNLIMITED,
} from '../limits/key-quotas.ts';
import { MAX_NAME_BYTES, MAX_TIERS, MAX_WEIGHT } from '../table/key-rows.ts';

export interface KeyAttributes {
  readonly weight: number;
  readonly tier: number;
  readonly quotas: Quotas;
  /** The outgoing proxy's address; '' for the one that everybody takes. */
  readonly proxy: string;
}

export const NO_ATTRIBUTES: KeyAttributes = { weight: 1, tier: 1, quotas: NO_QUOTAS, proxy: '' };

const NAMES = ['weight', 'tier', ...QUOTA_KINDS, 'proxy', 'name'];
const NAME = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,${MAX_NAME_BYTES - 1}}$`);
/** Anything else that ends with `=` may be a key, padded as base64 is. */
const SHOWN_NAME = /^[a-z_-]{1,16}$/;
const ATTRIBUTE = /^([a-z][a-z0-9_-]{0,30})=(.*)$/i;

/** The name and value of a word that is an attribute; undefined: it is none. */
export function splitAttribute(word: string): readonly [string, string] | undefined {
  const match = ATTRIBUTE.exec(word);
  return match === null ? undefined : [match[1] ?? '', match[2] ?? ''];
}

/**
 * Adds one attribute to those before it; a string says what is wrong.
 * @param before those of the same line
 */
export function withAttribute(
  before: KeyAttributes,
  name: string,
  value: string,
): KeyAttributes | string {
  switch (name) {
    case 'weight': {
      const weight = inRange(name, value, 1, MAX_WEIGHT);
      return typeof weight === 'string' ? weight : { ...before, weight };
    }
    case 'tier': {
      const tier = inRange(name, value, 1, MAX_TIERS);
      return typeof tier === 'string' ? tier : { ...before, tier };
    }
    case 'concurrency':
    case 'rpd':
    case 'rpm':
    case 'tpm': {
      const limit = inRange(name, value, 0, MAX_QUOTAS[name]);
      if (typeof limit === 'string') return limit;
      const quotas = { ...before.quotas, [name]: limit === 0 ? UNLIMITED : limit };
      return { ...before, quotas };
    }
    case 'proxy':
      return value !== '' && proxyUrl.parse(value) !== undefined
        ? { ...before, proxy: value }
        : 'proxy= must be the address of an http, https, socks4a or socks5h proxy';
    default: {
      const near = nearest(name.toLowerCase(), NAMES);
      if (near === undefined && !SHOWN_NAME.test(name)) return 'unknown attribute';
      return `unknown attribute ${name}=${near === undefined ? '' : `; did you mean ${near}=?`}`;
    }
  }
}

/** Whether a key may be called so. */
export function isKeyName(value: string): boolean {
  return NAME.test(value);
}

export const KEY_NAME_TEXT = `name= must be 1 to ${MAX_NAME_BYTES} letters, digits, and . _ @ -`;

/** A whole number within bounds; a string says what is wrong. */
function inRange(name: string, value: string, least: number, most: number): number | string {
  const digits = value.replaceAll('_', '');
  const number = /^\d{1,10}$/.test(digits) ? Number(digits) : -1;
  const isGood = number >= least && number <= most;
  return isGood ? number : `${name}= must be a whole number from ${least} to ${most}`;
}
