// What a scenario is, what one request came to in words, and the run of the usual kind: upstream A
// has the fault, upstream B is well, some requests are sent, then A gets well too.

import { setTimeout as sleep } from 'node:timers/promises';
import { connectRaw, requestBytes } from '../support/raw-client.ts';
import { rawOk } from '../support/raw-faults.ts';
import { type RawHandler, startRawUpstream } from '../support/raw-upstream.ts';
import { blamed, type Subject, startOther, startOwn } from './subject.ts';

/** One line of the table. */
export interface Line {
  readonly saw: string;
  readonly blamed: string;
  /** Requests that got no whole answer of an upstream that was well. */
  readonly lost: string;
  readonly recovery: string;
  readonly nginx?: string;
  readonly haproxy?: string;
}

export interface Scenario {
  readonly area: string;
  readonly name: string;
  readonly run: () => Promise<Line>;
}

/** The longest that anybody waits for one answer. */
const ANSWER_MS = 12_000;
const REQUESTS = 4;
const RECOVERY_MS = 60_000;

export const JSON_BODY = '{"model":"gpt-4o","messages":[]}';
export const STREAM_BODY = '{"model":"gpt-4o","stream":true,"messages":[]}';

export function chatBytes(body: string, fields: readonly string[] = []): Buffer {
  const all = ['Content-Type: application/json', 'Connection: close', ...fields];
  return requestBytes('POST /v1/chat/completions', all, body);
}

/** What the client of one request sees, in a few words. */
export async function seen(port: number, bytes: string | Buffer): Promise<string> {
  const startMs = performance.now();
  const client = await connectRaw(port).catch(() => undefined);
  if (client === undefined) return 'refused';
  const timer = setTimeout(client.destroy, ANSWER_MS);
  try {
    await client.send(bytes);
    const answer = await client.answer();
    const code = /"code":"([a-z_]+)"/.exec(answer.body.toString('latin1'))?.[1];
    const isOurs = answer.status >= 400 && code !== undefined;
    const status = Number.isNaN(answer.status) ? 'no HTTP/1.1' : String(answer.status);
    const words = [status, isOurs ? code : '', answer.complete ? '' : 'cut'];
    return words.filter((word) => word !== '').join(' ');
  } catch {
    return performance.now() - startMs >= ANSWER_MS ? 'silence' : 'closed without an answer';
  } finally {
    clearTimeout(timer);
    client.destroy();
  }
}

/** The same words together, with their count. */
export function summed(all: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].map(([what, n]) => (n === 1 ? what : `${n}× ${what}`)).join(', ');
}

/** Seconds until it answers 200 three times in a row. */
export async function recovery(port: number, bytes: string | Buffer): Promise<string> {
  const startMs = performance.now();
  let firstMs = 0;
  for (let good = 0; good < 3; ) {
    const nowMs = performance.now();
    if (nowMs - startMs > RECOVERY_MS) return `not within ${RECOVERY_MS / 1000} s`;
    const what = await seen(port, bytes);
    if (good === 0) firstMs = nowMs;
    good = what === '200' ? good + 1 : 0;
    if (good === 0) await sleep(50);
  }
  return `${((firstMs - startMs) / 1000).toFixed(1)} s`;
}

export interface UpstreamFault {
  readonly name: string;
  readonly fault: RawHandler;
  readonly body?: string;
  /** There is no upstream B. */
  readonly alone?: boolean;
}

async function asked(subject: Subject, bytes: Buffer) {
  const all: string[] = [];
  for (let i = 0; i < REQUESTS; i += 1) all.push(await seen(subject.port, bytes));
  return { saw: summed(all), lost: all.filter((what) => what !== '200').length };
}

/** One upstream fault before every subject, each with upstreams of its own. */
export function upstreamFault({ name, fault, body, alone }: UpstreamFault): Scenario {
  const bytes = chatBytes(body ?? JSON_BODY);
  const before = async (start: (urls: string[]) => Promise<Subject | undefined>) => {
    let isFaulty = true;
    const well = rawOk();
    await using a = await startRawUpstream((exchange) => (isFaulty ? fault : well)(exchange));
    await using b = await startRawUpstream(well);
    await using subject = await start(alone === true ? [a.url] : [a.url, b.url]);
    if (subject === undefined) return undefined;
    const { saw, lost } = await asked(subject, bytes);
    const who = subject.own === undefined ? '' : await blamed(subject.own);
    isFaulty = false;
    const again = subject.own === undefined ? '' : await recovery(subject.port, bytes);
    return { saw, lost: `${lost} of ${REQUESTS}`, blamed: who, recovery: again };
  };
  return {
    area: 'Upstream',
    name,
    run: async () => {
      const own = await before((urls) => startOwn(urls));
      const nginx = await before((urls) => startOther('nginx', urls));
      const haproxy = await before((urls) => startOther('haproxy', urls));
      if (own === undefined) throw new Error('gpt-load did not start');
      return {
        ...own,
        ...(nginx && { nginx: nginx.saw }),
        ...(haproxy && { haproxy: haproxy.saw }),
      };
    },
  };
}
