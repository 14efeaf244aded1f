// Which header fields may cross this proxy, and where the leased key goes. Names only; the
// transport frames the message and the relay writes it. Header lists are flat: name, value, name,
// value.

import type { CredentialStyle } from './provider.ts';

/** Where a client put its credential: a header, or the `key` parameter of the query. */
export type CredentialPlace = CredentialStyle | 'query';

/** What of a request's header fields goes on to every attempt, prepared once per request. */
export interface RequestHead {
  /**
   * End-to-end fields as they came; without credentials, framing, Host, Expect, and what tells the
   * client's address.
   */
  readonly fields: readonly string[];
  /** The fields that tell the address of the client and of proxies before this one. */
  readonly addresses: readonly string[];
  /** Where the client's own credentials were, in the order found. */
  readonly credentialPlaces: readonly CredentialPlace[];
}

const PASS = 0;
const DROP = 1;
const CONNECTION = 2;
const ADDRESS = 3;
const BEARER = 4;
const X_API_KEY = 5;
const API_KEY = 6;
const X_GOOG_API_KEY = 7;

/**
 * RFC 9110 7.6.1, with the obsolete fields that it names. Trailer stays: it describes the content.
 */
const HOP_BY_HOP = [
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'te',
  'transfer-encoding',
  'upgrade',
] as const;

const REQUEST_CLASS: ReadonlyMap<string, number> = new Map([
  ...HOP_BY_HOP.map((name) => [name, DROP] as const),
  ['connection', CONNECTION],
  ['host', DROP],
  ['content-length', DROP],
  ['expect', DROP],
  ['cookie', DROP],
  ['proxy-authorization', DROP],
  ['x-forwarded-for', ADDRESS],
  ['x-real-ip', ADDRESS],
  ['forwarded', ADDRESS],
  ['via', ADDRESS],
  ['authorization', BEARER],
  ['x-api-key', X_API_KEY],
  ['api-key', API_KEY],
  ['x-goog-api-key', X_GOOG_API_KEY],
]);

const PLACE_OF_CLASS: Readonly<Record<number, CredentialPlace>> = {
  [BEARER]: 'bearer',
  [X_API_KEY]: 'x-api-key',
  [API_KEY]: 'api-key',
  [X_GOOG_API_KEY]: 'x-goog-api-key',
};

/** Alt-Svc names another port of the *upstream's* origin (RFC 7838 2): here it would mislead. */
const RESPONSE_CLASS: ReadonlyMap<string, number> = new Map([
  ...HOP_BY_HOP.map((name) => [name, DROP] as const),
  ['connection', CONNECTION],
  ['alt-svc', DROP],
]);

/** No name in a class is longer. */
const MAX_CLASSED_CHARS = 32;
/** Spellings of names of one length that are remembered: lower case, and the usual capitals. */
const MAX_SPELLINGS = 8;

/** The same for upper and lower case. */
function initialOf(name: string): number {
  return 1 << (name.charCodeAt(0) & 31);
}

/**
 * Finds a name's class without hashing it: each request's names are strings of their own, and a
 * hash costs more than a look at the few spellings of that length that came before.
 */
class NameClasses {
  readonly #classes: ReadonlyMap<string, number>;
  readonly #spellings: { readonly name: string; readonly nameClass: number }[][] = [];
  /** By length, a bit for each letter that a name in a class begins with: most names pass here. */
  readonly #initials = new Int32Array(MAX_CLASSED_CHARS + 1);

  constructor(classes: ReadonlyMap<string, number>) {
    this.#classes = classes;
    for (let length = 0; length <= MAX_CLASSED_CHARS; length += 1) this.#spellings.push([]);
    for (const name of classes.keys()) {
      this.#initials[name.length] = (this.#initials[name.length] ?? 0) | initialOf(name);
    }
  }

  of(name: string): number {
    const { length } = name;
    if (length > MAX_CLASSED_CHARS || ((this.#initials[length] ?? 0) & initialOf(name)) === 0)
      return PASS;
    const spellings = this.#spellings[length] as { name: string; nameClass: number }[];
    for (const known of spellings) if (known.name === name) return known.nameClass;
    const nameClass = this.#classes.get(name.toLowerCase()) ?? PASS;
    if (spellings.length < MAX_SPELLINGS) spellings.push({ name, nameClass });
    return nameClass;
  }
}

const requestClasses = new NameClasses(REQUEST_CLASS);
const responseClasses = new NameClasses(RESPONSE_CLASS);

/** Whether a request's field of this lower-case name is never passed on as it is. */
export function connectionField(lowerName: string): boolean {
  const known = REQUEST_CLASS.get(lowerName) ?? PASS;
  return (known !== PASS && known !== ADDRESS) || lowerName === 'trailer';
}

const NO_FIELDS: readonly string[] = [];

/** Prepares a client's header fields for any upstream (RFC 9110 7.6.1). */
export function requestHead(rawHeaders: readonly string[]): RequestHead {
  const fields: string[] = [];
  let addresses = NO_FIELDS;
  const credentialPlaces: CredentialPlace[] = [];
  let named: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const nameClass = requestClasses.of(name);
    if (nameClass === PASS) fields.push(name, rawHeaders[i + 1] as string);
    else if (nameClass === CONNECTION) named = joinTokens(named, rawHeaders[i + 1] as string);
    else if (nameClass === ADDRESS) addresses = [...addresses, name, rawHeaders[i + 1] as string];
    else if (nameClass >= BEARER) {
      credentialPlaces.push(PLACE_OF_CLASS[nameClass] as CredentialPlace);
    }
  }
  return { fields: withoutNamed(fields, named), addresses, credentialPlaces };
}

/** An upstream's header fields without those that end here; order and repeats are kept. */
export function responseFields(rawHeaders: readonly string[]): string[] {
  const fields: string[] = [];
  let named: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const nameClass = responseClasses.of(name);
    if (nameClass === PASS) fields.push(name, rawHeaders[i + 1] as string);
    else if (nameClass === CONNECTION) named = joinTokens(named, rawHeaders[i + 1] as string);
  }
  return withoutNamed(fields, named);
}

function joinTokens(known: string | undefined, more: string): string {
  return known === undefined ? more : `${known},${more}`;
}

/**
 * Framing and credentials cannot be dropped by naming them in Connection: that would be smuggling.
 */
const NEVER_NAMED = new Set(['content-length', 'content-type', 'content-encoding', 'host']);

function withoutNamed(fields: string[], connection: string | undefined): string[] {
  if (connection === undefined || COMMON_OPTIONS.has(connection.toLowerCase())) return fields;
  const tokens = connection
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
  const named = new Set(
    tokens.filter((token) => !COMMON_OPTIONS.has(token) && !NEVER_NAMED.has(token)),
  );
  if (named.size === 0) return fields;
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!named.has(name.toLowerCase())) kept.push(name, fields[i + 1] as string);
  }
  return kept;
}

const COMMON_OPTIONS = new Set(['', 'keep-alive', 'close', 'upgrade']);

/**
 * The one place where the leased key goes: where the client had its own, the provider's
 * way first when the client used several; else the provider's way.
 */
export function credentialPlace(
  used: readonly CredentialPlace[],
  provider: CredentialStyle,
): CredentialPlace {
  const first = used[0];
  if (first === undefined || used.includes(provider)) return provider;
  return first;
}

/** Adds the credential header for a place; the query place is handled with the request target. */
export function pushCredential(fields: string[], place: CredentialPlace, key: string): void {
  if (place === 'bearer') fields.push('Authorization', `Bearer ${key}`);
  else if (place !== 'query') fields.push(place, key);
}

/** The first value of a field by its lower-case name, or undefined. */
export function fieldValue(fields: readonly string[], lowerName: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return fields[i + 1];
  }
  return undefined;
}
