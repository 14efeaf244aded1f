// Four workers under load, one of them killed again and again: every request is answered whole or
// its connection visibly breaks, what the dead held is given back, and the keys' turns stay fair.
// A few seconds here; GPT_LOAD_TEST_LONG=1 makes it a minute with a death every five seconds.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const long = process.env.GPT_LOAD_TEST_LONG === '1';
const loadMs = long ? 60_000 : 6_000;
const killEveryMs = long ? 5_000 : 1_200;
const clients = 16;
/** How long a client waits after its connection broke. */
const RECONNECT_MS = 250;
const keys = Array.from({ length: 5 }, (_, i) => `sk-test-deaths-${i}-0123456789abcdef`);

interface Seen {
  whole: number;
  broken: number;
  readonly odd: string[];
}

/** One request, streamed or not; what came back is whole, visibly broken, or neither. */
function ask(port: number, agent: http.Agent, stream: boolean, seen: Seen): Promise<void> {
  return new Promise((resolve) => {
    const broken = () => {
      seen.broken += 1;
      // As a client would: the dead thread's listening socket takes a moment to close, and resets
      // whoever comes back at once.
      setTimeout(resolve, RECONNECT_MS);
    };
    const options = {
      port,
      host: '127.0.0.1',
      path: '/v1/chat/completions',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      agent,
    };
    const request = http.request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', broken);
      response.once('end', () => {
        const ending = stream ? 'data: [DONE]\n\n' : '}';
        if (response.statusCode === 200 && text.trimEnd().endsWith(ending.trimEnd())) {
          seen.whole += 1;
        } else seen.odd.push(`${response.statusCode} ${text.slice(-80)}`);
        resolve();
      });
    });
    request.once('error', broken);
    request.end(JSON.stringify({ model: 'gpt-4o', stream, messages: [] }));
  });
}

async function killUntil(proxy: GptLoad, endMs: number): Promise<number> {
  let deaths = 0;
  while (performance.now() + killEveryMs < endMs) {
    await sleep(killEveryMs);
    writeFileSync(join(proxy.directory, 'kill-worker'), '');
    deaths += 1;
  }
  return deaths;
}

const skip = process.env.GPT_LOAD_BINARY ? 'a packed binary takes no --import' : false;

test('workers that die under load lose only their own requests', { skip }, async () => {
  const upstream = await startScriptedUpstream({ maxRecords: 1_000_000 });
  try {
    const killer = join(import.meta.dirname, '../support/worker-killer.ts');
    await using proxy = await startGptLoad({
      keys,
      upstreams: [upstream.url],
      env: { NODE_OPTIONS: `--import=${killer}`, WORKERS: '4', LOG_ENABLE_REQUEST: 'false' },
    });
    // The first worker answers sooner; a start in which one dies is given up.
    await proxy.waitForLog(/listening on/, 30_000);
    upstream.forget();
    const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
    const seen: Seen = { whole: 0, broken: 0, odd: [] };
    const endMs = performance.now() + loadMs;
    const client = async (stream: boolean) => {
      while (performance.now() < endMs) await ask(proxy.port, agent, stream, seen);
    };
    const [deaths] = await Promise.all([
      killUntil(proxy, endMs),
      ...Array.from({ length: clients }, (_, i) => client(i % 2 === 0)),
    ]);
    agent.destroy();

    assert.equal(seen.odd.length, 0, seen.odd[0]);
    assert.ok(seen.whole > clients, `${seen.whole} whole, ${seen.broken} broken`);
    // Each client once per death, and again where it came back before the socket had closed: on a
    // busy machine that takes a while.
    const bound = 10 * deaths * clients;
    assert.ok(deaths > 1 && seen.broken <= bound, `${seen.broken} broken, ${deaths} deaths`);
    await eventually('permits and leases are back', async () => {
      const { requests } = JSON.parse((await proxy.ask('/stats')).body);
      return requests.in_flight === 0 && requests.open_leases === 0;
    });
    const turns = new Map(keys.map((key) => [key, 0]));
    for (const { request } of upstream.records) {
      turns.set(request.key ?? '', (turns.get(request.key ?? '') ?? 0) + 1);
    }
    // A death may take the turns of the requests that it broke with it.
    const spread = Math.max(...turns.values()) - Math.min(...turns.values());
    assert.ok(spread <= 1 + seen.broken, `turns: ${[...turns.values()].join(', ')}`);
  } finally {
    await upstream.close();
  }
});
