// The two ways by which an SDK's facts are checked: straight to the scripted upstream (is the
// upstream right?) and through the running proxy whose first keys answer 401, 429 and 500 in the
// provider's shape (is the proxy right?).

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Behaviour } from '../../src/demo/behaviour.ts';
import { type ScriptedUpstream, startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

export interface SdkWay {
  /** Base URL without a path. */
  readonly url: string;
  readonly clientKey: string;
  readonly fetch: typeof fetch;
  readonly settled: (check: () => boolean) => Promise<unknown>;
}

export interface SdkFact {
  readonly name: string;
  readonly check: (way: SdkWay) => Promise<void>;
}

const settled = (check: () => boolean) => eventually('the SDK has finished', check);
const refused: readonly Behaviour[] = [
  { kind: 'refuse', refusal: 'unauthenticated' },
  { kind: 'refuse', refusal: 'rate_limited' },
  { kind: 'refuse', refusal: 'broken' },
];

export function checkStraight(sdk: string, facts: readonly SdkFact[]): void {
  describe(`${sdk} straight to the scripted upstream`, () => {
    for (const { name, check } of facts) {
      test(name, async () => {
        const upstream = await startScriptedUpstream();
        try {
          await check({ url: upstream.url, clientKey: 'sk-test-good-0000000000', fetch, settled });
        } finally {
          await upstream.close();
        }
      });
    }
  });
}

/** One proxy for all facts; before each, the next three keys that are asked are told to refuse. */
export function checkThroughProxy(sdk: string, facts: readonly SdkFact[]): void {
  describe(`${sdk} through a pool whose first keys answer 401, 429 and 500`, () => {
    test('sees only success', async (t) => {
      const next: Behaviour[] = [];
      const upstream = await startScriptedUpstream({ script: () => next.shift() ?? good });
      const keys = Array.from(
        { length: 4 * facts.length },
        (_, i) => `sk-test-secret-${String(i).padStart(4, '0')}-abcdefgh`,
      );
      try {
        await using proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
        for (const { name, check } of facts) {
          await t.test(name, async () => {
            upstream.forget();
            next.splice(0, next.length, ...refused);
            const clientKey = 'client-key-of-no-worth';
            await check({ url: proxy.url, clientKey, fetch: proxy.fetch, settled });
            assertRotated(upstream, keys);
          });
        }
      } finally {
        await upstream.close();
      }
    });
  });
}

const good: Behaviour = { kind: 'good' };

/** Four attempts, four keys of the pool, each with one credential and the same request. */
function assertRotated(upstream: ScriptedUpstream, keys: readonly string[]): void {
  const requests = upstream.records.map((record) => record.request);
  assert.deepEqual(
    upstream.records.map((record) => record.status),
    [401, 429, 500, 200],
  );
  assert.equal(new Set(requests.map((request) => request.key)).size, 4, 'four different keys');
  for (const request of requests) {
    assert.ok(keys.includes(request.key), 'the key is of the pool');
    assert.equal(request.credentials, 1, 'exactly one credential is sent');
    assert.equal(request.bodySha256, requests[0]?.bodySha256, 'the same body is replayed');
    assert.equal(request.target, requests[0]?.target, 'the same target is asked');
  }
}
