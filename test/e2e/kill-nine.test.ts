// kill -9 at random moments under load: what was learned about keys is still there afterwards.
// GPT_LOAD_KILL_ROUNDS sets how often (default 4; the full run is 50).

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { StateStore } from '../../src/store/sqlite/state-store.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const rounds = Number(process.env.GPT_LOAD_KILL_ROUNDS ?? 4);
/** Keys that are new in each round, dead ones and such as must rest for an hour. */
const newKeys = 300;
const clients = 6;
const pauseMs = 100;
/** What was learned this long before the kill is known after it, once it is there. */
const settledMs = 1_000;
/** The way there; on a machine that stands still, as long as the longest request took. */
const wayMs = 250;

const silent = {
  debug() {},
  info() {},
  warn: (message: string) => assert.fail(message),
  error() {},
};

test(`kill -9 loses nothing older than a second, ${rounds} times at random moments`, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-kill-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const stateFile = join(directory, 'state.db');
  /** When the upstream refused a key, and those that an earlier run left in the file. */
  const refusedAtMs = new Map<string, number>();
  let remembered: ReadonlySet<string> = new Set();
  const wrong: string[] = [];
  await using upstream = await scripted((key) => {
    if (remembered.has(key)) wrong.push(`${key}: asked again`);
    refusedAtMs.set(key, Date.now());
  });
  const keys = Array.from({ length: 4 }, (_, n) => `sk-demo-good-kill-${n}-0123456789`);
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < newKeys; n++) {
      keys.push(`sk-demo-${n % 3 === 0 ? 'limited' : 'dead'}-kill-${round}-${n}-0123456789`);
    }
    const env = { STATE_FILE: stateFile, MAX_KEY_SWITCHES: '40', LOG_ENABLE_REQUEST: 'false' };
    const proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
    const { killedAtMs, longestMs } = await killUnderLoad(proxy, 100 + Math.random() * 2_500);
    t.diagnostic(`the longest request took ${Math.round(longestMs)} ms`);
    assert.doesNotMatch(proxy.output(), /moved to|memory only|cannot (read|write)/);
    await proxy.stop(null as unknown as number);
    remembered = readCopy(stateFile, directory, keys);
    for (const [key, atMs] of refusedAtMs) {
      if (remembered.has(key)) continue;
      const ageMs = Math.round(killedAtMs - atMs);
      const isOld = ageMs >= settledMs + Math.max(wayMs, longestMs);
      if (isOld) wrong.push(`${key}: refused ${ageMs} ms before the kill, lost`);
      // What was learned too late to be kept is asked, and refused, once more.
      refusedAtMs.delete(key);
    }
    assert.deepEqual(wrong, []);
  }
  // Where all moments were early ones, little was learned long enough before them.
  assert.ok(refusedAtMs.size > rounds * 10, `only ${refusedAtMs.size} keys were refused`);
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.includes('damaged')),
    [],
  );
});

/** An upstream that tells whom it refused. */
async function scripted(onRefused: (key: string) => void) {
  const upstream = await startScriptedUpstream({
    retryAfterS: 3_600,
    onAnswered: ({ request, status }) => {
      if (status === 401 || status === 429) onRefused(request.key);
    },
  });
  return Object.assign(upstream, { [Symbol.asyncDispose]: () => upstream.close() });
}

/** Some clients until the process is killed; when that was, and what the longest request took. */
async function killUnderLoad(proxy: GptLoad, afterMs: number) {
  const ended = new AbortController();
  let longestMs = 0;
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
  const headers = { 'content-type': 'application/json' };
  const load = Array.from({ length: clients }, async () => {
    while (!ended.signal.aborted) {
      const { signal } = ended;
      const url = `${proxy.url}/v1/chat/completions`;
      const askedMs = performance.now();
      const answer = await fetch(url, { method: 'POST', headers, body, signal }).catch(() => null);
      await answer?.arrayBuffer().catch(() => null);
      longestMs = Math.max(longestMs, performance.now() - askedMs);
      await sleep(pauseMs, undefined, { signal }).catch(() => null);
    }
  });
  await sleep(afterMs);
  proxy.signal('SIGKILL');
  const killedAtMs = Date.now();
  await proxy.exited;
  ended.abort();
  await Promise.all(load);
  return { killedAtMs, longestMs };
}

/** The keys that the file knows something of; read from a copy, as a restart would find it. */
function readCopy(file: string, directory: string, keys: readonly string[]): Set<string> {
  const copy = join(directory, 'copy.db');
  for (const suffix of ['', '-wal']) {
    if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
    const bytes = existsSync(file + suffix) ? readFileSync(file + suffix, 'latin1') : '';
    assert.ok(!bytes.includes('sk-demo-'), 'the state file holds a key');
  }
  using store = StateStore.open(copy, silent);
  assert.equal(store.persistent, true);
  const known = new Set([...store.load('default')].map((row) => row.keyId));
  const remembered = new Set(keys.filter((key) => known.has(store.keyId(key))));
  store.close();
  for (const suffix of ['', '-wal']) rmSync(copy + suffix, { force: true });
  return remembered;
}
