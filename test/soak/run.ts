// `make soak`: MINUTES (10) of mixed traffic against the program with faulty upstreams, keys of all
// kind, reloads, and clients that leave. What it held when it was warm and at rest, it must hold at
// the end: memory, descriptors, permits, leases, streams.

import { readdirSync } from 'node:fs';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { rawOk, shortBody, thenReset } from '../support/raw-faults.ts';
import { type RawHandler, startRawUpstream } from '../support/raw-upstream.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';
import { DEEDS } from './soak-clients.ts';

const CLIENTS = 16;
/** Warming takes this share of the time; memory grows while code and caches are new. */
const WARM_SHARE = 0.3;
const RELOAD_EVERY_MS = 1_000;
/** Garbage that V8 lets lie differs by some megabytes from one moment of rest to the next. */
const MAX_GROWTH_BYTES = 32 * 1024 * 1024;
const REST_LIMIT_MS = 30_000;

const key = (kind: string, i: number) => `sk-test-${kind}-soak${i}-0123456789abcdef`;
const KEYS = ['good', 'good', 'good', 'limited7', 'flaky', 'cut', 'dead', 'overloaded9'].map(key);

interface Held {
  readonly rssBytes: number;
  readonly descriptors: number;
  readonly gauges: string;
}

/** Every third answer is a fault. */
function faultyUpstream(): RawHandler {
  const ways = [rawOk(), rawOk(), shortBody, rawOk(), thenReset(), rawOk()];
  let turn = 0;
  return (exchange) => {
    turn += 1;
    return (ways[turn % ways.length] as RawHandler)(exchange);
  };
}

/** What the program holds once nobody asks it for anything. */
async function atRest(proxy: GptLoad): Promise<Held> {
  // Connections that nobody uses are closed after 2 s.
  await sleep(4_000);
  return await eventually(
    'nothing is in flight',
    async () => {
      const { body } = await proxy.ask('/metrics');
      const gauges = [
        ...body.matchAll(
          /^gpt_load_(requests_in_flight|streams_open|key_leases_open)(?:\{.*\})? (\d+)$/gm,
        ),
      ];
      const told = gauges.map(([, name, value]) => `${name} ${value}`).join(', ');
      if (gauges.length < 3 || gauges.some(([, , value]) => value !== '0')) return undefined;
      const descriptors = readdirSync(`/proc/${proxy.pid}/fd`).length;
      return { rssBytes: proxy.rssBytes(), descriptors, gauges: told };
    },
    REST_LIMIT_MS,
  );
}

async function traffic(proxy: GptLoad, endMs: number, seen: Map<string, number>): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
  const client = async (first: number) => {
    for (let i = first; performance.now() < endMs; i += 1) {
      const deed = DEEDS[i % DEEDS.length] as (typeof DEEDS)[number];
      const came = await deed(proxy.port, agent).catch((error: Error) => error.message);
      seen.set(came, (seen.get(came) ?? 0) + 1);
    }
  };
  const reload = async () => {
    for (let i = 0; performance.now() < endMs; i += 1) {
      await sleep(RELOAD_EVERY_MS);
      proxy.writeKeys(i % 2 === 0 ? KEYS : [...KEYS, key('good', 100 + (i % 7))]);
      if (i % 3 === 0) proxy.signal('SIGHUP');
      else await proxy.ask('/reset-keys');
    }
  };
  await Promise.all([reload(), ...Array.from({ length: CLIENTS }, (_, i) => client(i))]);
  agent.destroy();
}

function told({ rssBytes, descriptors, gauges }: Held): string {
  return `${(rssBytes / 2 ** 20).toFixed(1)} MiB, ${descriptors} descriptors, ${gauges}`;
}

const totalMs = Number(process.env.MINUTES || 10) * 60_000;
await using upstream = await startScriptedUpstream({ paceMs: 2, retryAfterS: 1, maxRecords: 1 });
await using faulty = await startRawUpstream(faultyUpstream());
await using proxy = await startGptLoad({
  keys: KEYS,
  upstreams: [upstream.url, faulty.url],
  env: {
    WORKERS: '2',
    LOG_LEVEL: 'error',
    LOG_ENABLE_REQUEST: 'false',
    SERVER_IDLE_TIMEOUT: '2',
    IDLE_CONN_TIMEOUT: '2',
    REQUEST_TIMEOUT: '10',
    KEY_COOLDOWN: '1',
  },
});
const seen = new Map<string, number>();
const first = await atRest(proxy);
console.log(`started: ${told(first)}`);
await traffic(proxy, performance.now() + totalMs * WARM_SHARE, seen);
const warm = await atRest(proxy);
console.log(`warm:    ${told(warm)}`);
await traffic(proxy, performance.now() + totalMs * (1 - WARM_SHARE), seen);
const end = await atRest(proxy);
console.log(`end:     ${told(end)}`);
const sum = [...seen.values()].reduce((a, b) => a + b, 0);
console.log(`${sum} requests: ${[...seen].map(([what, n]) => `${what} ${n}`).join(', ')}`);

const wrong: string[] = [];
if (end.rssBytes - warm.rssBytes > MAX_GROWTH_BYTES) wrong.push('memory grew');
if (end.descriptors > warm.descriptors) wrong.push('descriptors were left open');
if (/MaxListenersExceeded/.test(proxy.output())) wrong.push('listeners piled up');
if (/inside gpt-load|worker (?:died|ended|failed)/.test(proxy.output()))
  wrong.push('it failed inside');
if (!seen.has('200')) wrong.push('nobody was served');
console.log(wrong.length === 0 ? 'it ended where it began' : `WRONG: ${wrong.join('; ')}`);
if (wrong.length > 0) {
  console.error(proxy.output().slice(-3_000));
  process.exitCode = 1;
}
