// The demo's cast of keys, and what a person reads while it plays: one line for each request that
// reaches the provider. Says what the provider did and what follows from it; the proxy itself
// decides, and shows it at /stats and /blacklist.

import { previewKey } from '../policy/redact.ts';
import type { UpstreamRecord } from './scripted-upstream.ts';

/**
 * Demo keys: behaviour in the middle (behaviour.ts), a telling end for the preview. Worth nothing
 * anywhere.
 */
export const demoKeys: readonly { readonly key: string; readonly about: string }[] = [
  { key: 'sk-demo-dead-00000000000000dead', about: 'is invalid (401)' },
  { key: 'sk-demo-good-00000000000000good', about: 'works' },
  { key: 'sk-demo-limited3-0000000000busy', about: 'is rate limited on every third request (429)' },
  {
    key: 'sk-demo-flaky-0000000000000flky',
    about: 'gets a server error on every second request (500)',
  },
  { key: 'sk-demo-quota-0000000000000owes', about: 'has no credit left (429 insufficient_quota)' },
  { key: 'sk-demo-good2-0000000000000fine', about: 'works' },
];

export type Paint = (text: string, colour: 'green' | 'yellow' | 'red' | 'dim' | 'bold') => string;

const codes = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 } as const;

/** Colours for a terminal; text as it is for everything else. */
export function paintFor(coloured: boolean): Paint {
  return (text, colour) => (coloured ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text);
}

/** One line about one request at the provider. */
export function narrate(record: UpstreamRecord, retryAfterS: number, paint: Paint): string {
  const key = previewKey(record.request.key);
  const [colour, text] = outcome(record, retryAfterS);
  const status = record.status === 0 ? '---' : String(record.status);
  return `  ${key}  ${paint(status, colour)}  ${text}\n`;
}

function outcome(
  record: UpstreamRecord,
  retryAfterS: number,
): readonly ['green' | 'yellow' | 'red' | 'dim', string] {
  if (record.aborted) return ['dim', 'client disconnected: request to the provider cancelled'];
  const { behaviour } = record;
  if (behaviour.kind !== 'refuse') return ['green', `answered ${record.request.path}`];
  switch (behaviour.refusal) {
    case 'dead':
    case 'unauthenticated':
    case 'leaking':
      return ['red', 'invalid key: blacklisted, trying the next key'];
    case 'quota':
      return ['red', 'no credit left: blacklisted, trying the next key'];
    case 'rate_limited':
      return ['yellow', `rate limited: resting for ${retryAfterS} s, trying the next key`];
    case 'broken':
    case 'overloaded':
      return ['yellow', 'provider error: key not blamed, trying again'];
    case 'model_access':
      return ['yellow', 'no access to this model: key skipped for it, trying the next key'];
    case 'bad_request':
      return ['dim', 'client error: passed through unchanged, key not blamed'];
  }
}

/** What the demo says when it is ready. */
export function opening(url: string, providerUrl: string, paint: Paint): string {
  const body = (stream: boolean) =>
    `'{"model":"gpt-4o",${stream ? '"stream":true,' : ''}"messages":[{"role":"user","content":"Hello"}]}'`;
  const chat = `${url}/v1/chat/completions -H 'Content-Type: application/json'`;
  const lines = [
    paint('gpt-load demo', 'bold'),
    '',
    `A mock provider at ${providerUrl}, with gpt-load in front of it at ${paint(url, 'bold')} and these keys:`,
    '',
    ...demoKeys.map(({ key, about }) => `  ${previewKey(key)}  ${about}`),
    '',
    'Try it in another terminal. Clients only ever see answers, whatever the keys do:',
    '',
    `  curl ${chat} -d ${body(false)}`,
    `  curl -N ${chat} -d ${body(true)}`,
    '',
    'See what gpt-load has learned:',
    '',
    `  curl ${url}/stats        healthy, blacklisted and resting keys`,
    `  curl ${url}/blacklist    which keys are out of rotation, and why`,
    `  curl ${url}/reset-keys   mark every key healthy again`,
    '',
    'Each request that reaches the provider is shown as one line. Press Ctrl-C to stop.',
    '',
    '',
  ];
  return lines.join('\n');
}
