// Requests that name what one key has made go to that key: files, batches, stored responses. Finds
// out which, and remembers what answers make. Which names count is policy/resource-ids.ts.

import { rememberLast } from '../policy/remember-last.ts';
import { makesResource, nameInAnswer, namesInBody, namesInPath } from '../policy/resource-ids.ts';
import type { Group } from '../pool/group.ts';
import type { Lease } from '../pool/lease.ts';
import { resourceId } from '../pool/resource-keys.ts';
import { MAX_TEXT_BYTES } from './answer/answer.ts';
import { AnswerReader } from './answer/answer-reader.ts';
import type { HeldAnswer } from './answer/held-answer.ts';
import { BodyOutline } from './body-outline.ts';
import type { Exchange } from './exchange.ts';
import type { BodyContent } from './request-facts.ts';

/** A request's tie to a key of a group. */
export interface BoundTo {
  /** -1: none. */
  readonly boundRow: number;
  /** Its path names something that no key is known to know: one after the other may be asked. */
  readonly isSearching: boolean;
}

const FREE: BoundTo = { boundRow: -1, isSearching: false };
/** What a path must have in it to be worth a closer look. */
const MAY_NAME =
  /file|upload|batch|response|conversation|vector|assistant|thread|contain|job|video|cached/;
const mayName = rememberLast((path) => MAY_NAME.test(path));
/** A body that names something has one of these: most have none, and are not looked into. */
const MARKS = ['_id"', '"conversation"', '_file"', 'achedContent', 'ached_content'];
/** Of an answer, so much is searched for what it made. */
const MAX_HEAD_BYTES = 4 * 1024;
/** Of a long body, names are looked for in so much of its beginning and its end. */
const MAX_SEARCHED_BYTES = 256 * 1024;

/** Which key of a group a request belongs to. */
export function boundTo(group: Group, path: string, body: () => BodyContent | undefined): BoundTo {
  const inPath = mayName(path) ? namesInPath(path) : [];
  const { resources } = group;
  if (resources.made === 0) return inPath.length > 0 ? { boundRow: -1, isSearching: true } : FREE;
  const names = [...inPath, ...namesIn(body())];
  if (names.length === 0) return FREE;
  // The first that is known; when all that are known name one key, it is that one anyway.
  for (const name of names) {
    const row = rowOf(group, name);
    if (row >= 0) return { boundRow: row, isSearching: false };
  }
  return { boundRow: -1, isSearching: inPath.length > 0 };
}

function namesIn(body: BodyContent | undefined): string[] {
  if (body === undefined) return [];
  const parts = body instanceof BodyOutline ? body.ends(MAX_SEARCHED_BYTES) : [body];
  if (!parts.some((part) => MARKS.some((mark) => part.includes(mark, 0, 'latin1')))) return [];
  return namesInBody(parts.map((part) => part.toString('latin1')).join(' '));
}

function rowOf({ resources, table }: Group, name: string): number {
  const known = resources.find(resourceId(name));
  if (known === undefined || known.row < 0) return -1;
  // The key may have left its row meanwhile.
  return table.holdsHash(known.row, known.keyHash) ? known.row : -1;
}

/**
 * Sees to it that an answer is read which may name something new, or what it used.
 * @param isCounted what requests use is counted
 */
export function readAnswer(exchange: Exchange, held: HeldAnswer, isCounted: boolean): void {
  const { method, target } = exchange;
  const { status } = held.answer;
  if (method !== 'POST' || status < 200 || status >= 300 || held.refusal) return;
  exchange.makesResource = makesResource(method, target.path);
  if (!isCounted && !exchange.makesResource) return;
  const { codings } = held;
  // The usual answer needs nobody to read along.
  if (codings.length === 0 && held.ended && held.bytes <= MAX_TEXT_BYTES) {
    exchange.text = held.latin1();
  } else exchange.reader = AnswerReader.of(codings);
}

/**
 * Remembers what an answer made as far as it is there, before the client has it: its next request
 * may come to another worker sooner than this one gets on.
 */
export function rememberHeld(exchange: Exchange, lease: Lease, held: HeldAnswer): void {
  if (held.bytes === 0 || !exchange.makesResource) return;
  rememberMade(exchange, lease, held.decoded()?.toString('latin1', 0, MAX_HEAD_BYTES) ?? '');
}

/** Remembers what an answer made, if its request makes anything. @param head its beginning */
export function rememberMade(exchange: Exchange, lease: Lease, head: string): void {
  if (!exchange.makesResource) return;
  const name = nameInAnswer(head);
  if (name !== undefined) remember(lease, name);
}

/** Remembers the key that was found to know what a path names. */
export function rememberFound(lease: Lease, path: string): void {
  for (const name of namesInPath(path)) remember(lease, name);
}

function remember({ group, row }: Lease, name: string): void {
  const { resources, table } = group;
  resources.remember({ id: resourceId(name), row, keyHash: table.rows.hash(row) });
}
