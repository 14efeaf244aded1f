// A thousand event streams at once: every event arrives, in order, and soon after the upstream sent
// it. Upstream and clients live in this process, so its own clock measures the whole way there.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const streams = 1_000;
const events = 10;
const everyMs = 500;
/**
 * At the median, between the upstream's write and the client's read, in milliseconds; or so many
 * times what this process needs for the same load alone, where that is more.
 */
const maxMedianLateMs = 50;
const maxTimesDirect = 4;

/**
 * Events that say when they were sent. The first waits for its turn, so that not all come in the
 * same instant.
 */
async function* timedEvents(phaseMs: number): AsyncIterable<string> {
  await sleep(phaseMs);
  for (let i = 0; i < events; i += 1) {
    yield `data: {"choices":[{"delta":{"content":"${i}"}}],"sent":${performance.now()}}\n\n`;
    await sleep(everyMs);
  }
  yield 'data: [DONE]\n\n';
}

interface Received {
  readonly status: number;
  readonly numbers: readonly string[];
  readonly done: boolean;
  readonly lateMs: readonly number[];
}

function receive(port: number): Promise<Received> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: '/v1/chat/completions', method: 'POST' };
    const headers = { 'content-type': 'application/json' };
    const request = http.request({ ...options, headers, agent: false }, (response) => {
      const numbers: string[] = [];
      const lateMs: number[] = [];
      let done = false;
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
          const event = text.slice(0, end);
          text = text.slice(end + 2);
          done ||= event === 'data: [DONE]';
          const [, number, sent] = /"content":"(\d+)".*"sent":([\d.]+)/.exec(event) ?? [];
          if (number === undefined) continue;
          numbers.push(number);
          lateMs.push(performance.now() - Number(sent));
        }
      });
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, numbers, done, lateMs }),
      );
    });
    request.once('error', reject);
    request.end('{"model":"gpt-4o","stream":true,"messages":[]}');
  });
}

function receiveAll(port: number): Promise<Received[]> {
  return Promise.all(Array.from({ length: streams }, () => receive(port)));
}

/** The given part of the events came at most so late. */
function lateMsAt(part: number, all: readonly Received[]): number {
  const late = all.flatMap((each) => each.lateMs).sort((a, b) => a - b);
  return late[Math.floor(late.length * part)] ?? 0;
}

test('1,000 concurrent event streams: none lost, none late', async (t) => {
  const headers = { 'content-type': 'text/event-stream' };
  const upstream = await startScriptedUpstream({
    script: ({ index }) => {
      const body = timedEvents((index * 7) % everyMs);
      return { kind: 'reply', reply: { status: 200, headers, body } };
    },
  });
  try {
    const directMs = lateMsAt(0.5, await receiveAll(upstream.port));
    await using proxy = await startGptLoad({
      keys: Array.from({ length: 20 }, (_, i) => `sk-test-streams-${10 + i}-0123456789`),
      upstreams: [upstream.url],
      env: { MAX_CONCURRENT_REQUESTS: '2000', LOG_LEVEL: 'warn' },
    });
    const all = await receiveAll(proxy.port);
    const expected = Array.from({ length: events }, (_, i) => String(i));
    for (const { status, numbers, done } of all) {
      assert.equal(status, 200);
      assert.deepEqual(numbers, expected);
      assert.ok(done, 'the stream came to its end');
    }
    assert.equal(upstream.records.length, 2 * streams, 'no stream was asked for twice');
    const [medianMs, p99Ms] = [lateMsAt(0.5, all), lateMsAt(0.99, all)];
    const times = [medianMs, p99Ms, directMs].map((ms) => ms.toFixed(1));
    t.diagnostic(`late by ${times[0]} ms at the median, ${times[1]} at p99; direct ${times[2]}`);
    const mostMs = Math.max(maxMedianLateMs, maxTimesDirect * directMs);
    assert.ok(medianMs < mostMs, `the median is ${medianMs} ms late, direct ${directMs}`);
  } finally {
    await upstream.close();
  }
});
