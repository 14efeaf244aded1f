// What the page knows and how it learns it: the first answer, the live stream, polling where there
// is none, and the language and theme that the reader has chosen.

import { computed, signal } from '@preact/signals';
import { filled, type Language } from './format.ts';
import { EN, type Word } from './words-en.ts';
import { ZH } from './words-zh.ts';

export interface LiveGroup {
  readonly name: string;
  readonly keys: Readonly<
    Record<'total' | 'healthy' | 'resting' | 'blacklisted' | 'at_limit', number>
  >;
  readonly upstreams: readonly {
    readonly href: string;
    readonly up: boolean;
    readonly suspect: boolean;
    readonly until: number | null;
  }[];
}

export interface Change {
  readonly event: string;
  readonly group: string;
  readonly summary: string;
  readonly details: readonly string[];
  readonly at: string;
}

export interface News {
  readonly recent: readonly Point[];
  readonly minutes: readonly Point[];
  readonly changes: readonly Change[];
  readonly problems: readonly string[];
}

/** `[Unix seconds, requests, failed, p50 ms, p95 ms, tokens]`. */
export type Point = readonly [number, number, number, number, number, number];

export interface Live {
  readonly at: number;
  readonly requests: number;
  readonly failed: number;
  readonly in_flight: number;
  readonly streams: number;
  readonly groups: readonly LiveGroup[];
  readonly news?: News;
}

export interface Whole extends Live {
  readonly version: string;
  /** How the instance that answers is called, where it is one of several. */
  readonly instance?: string;
  readonly started: number;
  readonly workers: number;
}

const MAX_RECENT = 720;
const MAX_MINUTES = 1_440;
const MAX_CHANGES = 100;
const POLL_MS = 5_000;
const RECONNECT_MS = [500, 1_000, 2_000, 5_000];
const AUTH = 'gpt-load auth';

const stored = (name: string) => localStorage.getItem(`gpt-load ${name}`);

export const language = signal<Language>(
  (stored('language') as Language | null) ?? (navigator.language.startsWith('zh') ? 'zh' : 'en'),
);
export const theme = signal<'light' | 'dark'>(
  (stored('theme') as 'light' | 'dark' | null) ??
    (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'),
);
export const whole = signal<Whole | undefined>(undefined);
export const live = signal<Live | undefined>(undefined);
export const rate = signal(0);
export const recent = signal<readonly Point[]>([]);
export const minutes = signal<readonly Point[]>([]);
export const changes = signal<readonly Change[]>([]);
export const problems = signal<readonly string[]>([]);
export const connection = signal<'live' | 'polling' | 'lost'>('polling');
export const needsKey = signal(false);
export const wrongKey = signal(false);
/** Ticks once a second, for times that are told relative to now. */
export const nowSeconds = signal(Date.now() / 1000);
export const view = signal(location.hash.slice(1) || 'overview');

const words = computed(() => (language.value === 'zh' ? ZH : EN));

/** A word of the page in the reader's language. */
export function t(word: Word, values: Readonly<Record<string, string | number>> = {}): string {
  return filled(words.value[word], values);
}

export function choose(name: 'language' | 'theme', value: string): void {
  localStorage.setItem(`gpt-load ${name}`, value);
  if (name === 'language') language.value = value as Language;
  else theme.value = value as 'light' | 'dark';
}

/** Asks this instance; an AUTH_KEY that is known goes with it, and never into an address. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const key = sessionStorage.getItem(AUTH);
  const headers = new Headers(init.headers);
  // Asks for a refusal without a challenge, at which the browser would open a box of its own.
  headers.set('x-requested-with', 'gpt-load-page');
  if (key !== null) headers.set('authorization', `Bearer ${key}`);
  const answer = await fetch(path, { ...init, headers, cache: 'no-store' });
  if (answer.status === 401) {
    wrongKey.value = key !== null;
    sessionStorage.removeItem(AUTH);
    needsKey.value = true;
    throw new Error('401');
  }
  return answer;
}

export async function askJson<T>(path: string): Promise<T> {
  const answer = await ask(path);
  if (!answer.ok) throw new Error(String(answer.status));
  return (await answer.json()) as T;
}

/** Does what a button says; the message is for the reader. */
export async function act(action: object): Promise<{ ok: boolean; message: string }> {
  const init = { method: 'POST', body: JSON.stringify(action) };
  const answer = await ask('/dashboard/actions', init);
  const body = await answer.json();
  return { ok: answer.ok, message: body.message ?? body.error?.message ?? String(answer.status) };
}

export function signIn(key: string): void {
  sessionStorage.setItem(AUTH, key);
  needsKey.value = false;
  wrongKey.value = false;
  void start();
}

export function signOut(): void {
  sessionStorage.removeItem(AUTH);
  whole.value = undefined;
  needsKey.value = true;
}

export function hasKey(): boolean {
  return sessionStorage.getItem(AUTH) !== null;
}

let era = 0;

/** First paint from one answer, then the stream; again whenever that breaks off. */
export async function start(): Promise<void> {
  era += 1;
  const own = era;
  for (let failures = 0; own === era && !needsKey.value; ) {
    try {
      take(await askJson<Whole>('/dashboard/state'), true);
      failures = 0;
      await follow(own);
    } catch {
      if (needsKey.value) return;
      connection.value = 'lost';
      failures += 1;
    }
    await pause(RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)] ?? POLL_MS);
  }
}

async function follow(own: number): Promise<void> {
  const answer = await ask('/dashboard/events');
  if (answer.status === 503) {
    connection.value = 'polling';
    await pause(POLL_MS);
    return;
  }
  if (!answer.ok || answer.body === null) throw new Error(String(answer.status));
  connection.value = 'live';
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ''; own === era; ) {
    const { done, value } = await reader.read();
    if (done) throw new Error('over');
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = text.slice(0, end);
      text = text.slice(end + 2);
      if (event.startsWith('data: ')) take(JSON.parse(event.slice(6)) as Live, false);
    }
  }
  await reader.cancel();
}

function take(next: Live, isWhole: boolean): void {
  const before = live.value;
  if (before !== undefined && next.at > before.at && next.requests >= before.requests) {
    rate.value = (next.requests - before.requests) / (next.at - before.at);
  }
  live.value = next;
  if (isWhole) whole.value = next as Whole;
  const { news } = next;
  if (news === undefined) return;
  if (news.problems.join() !== problems.value.join()) problems.value = news.problems;
  recent.value = joined(isWhole ? [] : recent.value, news.recent, MAX_RECENT);
  minutes.value = joined(isWhole ? [] : minutes.value, news.minutes, MAX_MINUTES);
  const known = isWhole ? [] : changes.value;
  const fresh = news.changes.filter(({ at, event }) => {
    return !known.some((one) => one.at === at && one.event === event);
  });
  if (fresh.length > 0 || isWhole) changes.value = [...known, ...fresh].slice(-MAX_CHANGES);
}

function joined(known: readonly Point[], more: readonly Point[], most: number): readonly Point[] {
  const last = known.at(-1)?.[0] ?? 0;
  const fresh = more.filter(([seconds]) => seconds > last);
  return fresh.length === 0 ? known : [...known, ...fresh].slice(-most);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

setInterval(() => {
  if (!document.hidden) nowSeconds.value = Date.now() / 1000;
}, 1_000);
addEventListener('hashchange', () => {
  view.value = location.hash.slice(1) || 'overview';
});
