// Requests that the demo sends itself every few seconds, so that its page has something to show:
// until Enter is pressed, or ten minutes are over.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, ask } from '../upstream/transport-ask.ts';
import type { Terminal } from './terminal.ts';

const PAUSE_MS = 3_000;
const LIVELY_MS = 600_000;
const MODELS = ['gpt-4o', 'gpt-4o-mini', 'o3'];

/** Never rejects; ends by itself. */
export async function liven(url: string, terminal: Terminal): Promise<void> {
  const stop = new AbortController();
  const { stdin } = process;
  if (stdin.isTTY) {
    terminal.write('The demo sends a request every few seconds; press Enter to stop that.\n');
    stdin.once('data', () => stop.abort()).unref();
  }
  const untilMs = Date.now() + LIVELY_MS;
  for (let i = 0; !stop.signal.aborted && Date.now() < untilMs; i += 1) {
    await sleep(PAUSE_MS, undefined, { ref: false });
    await send(url, i).catch(() => {});
  }
}

function send(url: string, i: number): Promise<Answer> {
  const body = JSON.stringify({
    model: MODELS[i % MODELS.length],
    stream: i % 4 === 3,
    stream_options: { include_usage: true },
    messages: [{ role: 'user', content: `Hello, number ${i + 1}` }],
  });
  const target = new URL(`${url}/v1/chat/completions`);
  const question = { method: 'POST', url: target, socketPath: undefined, authKey: '' } as const;
  return ask({ ...question, body, certificate: undefined, extraCa: undefined });
}
