// What plays in `gpt-load demo`: a mock provider with its cast of keys, what a person reads
// first, and the requests that the demo sends itself. With groups it is demo-groups.ts.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { type Grouping, withoutFile } from '../config/grouping.ts';
import { demoKeys, narrate, opening, type Paint } from '../demo/narration.ts';
import { startScriptedUpstream } from '../demo/scripted-upstream.ts';
import { type Answer, ask } from '../upstream/transport-ask.ts';
import type { Terminal } from './terminal.ts';

/** Requests that the demo sends itself, so that something happens before the first curl. */
const OWN_REQUESTS = 6;
const OWN_PAUSE_MS = 250;

/** What a stage is set with. */
export interface Props {
  /** For its files; gone when the demo is over. */
  readonly directory: string;
  readonly terminal: Terminal;
  readonly paint: Paint;
  /** Pause between the words of a streamed answer. */
  readonly paceMs: number;
  /** Rest that a rate limited key is told to take, in seconds. */
  readonly retryAfterS: number;
}

export interface Stage extends AsyncDisposable {
  /** What it replaces of the configuration. */
  readonly own: Partial<Config>;
  readonly readGrouping: (config: Config) => Promise<Grouping>;
  readonly opening: (url: string) => string;
  readonly warmUp: (url: string) => Promise<void>;
}

/** One provider and six keys. */
export async function plainStage(props: Props): Promise<Stage> {
  const { directory, terminal, paint, paceMs, retryAfterS } = props;
  const upstream = await startScriptedUpstream({
    paceMs,
    retryAfterS,
    onAnswered: (record) => terminal.write(narrate(record, retryAfterS, paint)),
  });
  const keysFile = join(directory, 'keys.txt');
  writeFileSync(keysFile, demoKeys.map(({ key }) => `${key}\n`).join(''), { mode: 0o600 });
  return {
    own: { keysFile, upstreams: [upstream.url] },
    readGrouping: async (config) => withoutFile(config),
    opening: (url) => opening(url, upstream.url, paint),
    warmUp: (url) => warmUp(url, terminal, paint),
    [Symbol.asyncDispose]: () => upstream.close(),
  };
}

async function warmUp(url: string, terminal: Terminal, paint: Paint): Promise<void> {
  terminal.write(paint(`First, ${OWN_REQUESTS} requests sent by the demo itself:\n`, 'dim'));
  for (let i = 0; i < OWN_REQUESTS; i += 1) {
    const { status } = await get(`${url}/v1/models`);
    terminal.write(`${paint(`the client got ${status}`, 'bold')}\n`);
    await sleep(OWN_PAUSE_MS);
  }
  const { text } = await get(`${url}/stats`);
  const { keys } = JSON.parse(text) as { keys: Record<string, number> };
  terminal.write(
    `\nNow ${keys.healthy} of ${keys.total} keys are healthy, ${keys.blacklisted} blacklisted, ${keys.resting} resting.\n\n`,
  );
}

/** Asks the demo's own gpt-load. @param authKey '' sends none */
export function get(url: string, authKey = ''): Promise<Answer> {
  const question = { method: 'GET', url: new URL(url), socketPath: undefined, authKey } as const;
  return ask({ ...question, certificate: undefined, extraCa: undefined });
}
