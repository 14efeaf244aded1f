// Large bodies pass in constant memory: what the upstream cannot take yet stays with the client,
// and the other way round.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['sk-test-memory-0123456789abcdef', 'sk-test-memory-fedcba9876543210'];
const MiB = 1024 * 1024;
const maxGrowthBytes = 64 * MiB;
const block = Buffer.alloc(MiB, 'gpt-load moves bytes. ');

/**
 * Runs `work` and returns by how much the process's memory was above its start at most, in bytes.
 */
async function growthDuring(proxy: GptLoad, work: () => Promise<void>): Promise<number> {
  // A first request brings in what is loaded once.
  for (let i = 0; i < 20; i += 1) await proxy.ask('/v1/models');
  const before = proxy.rssBytes();
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, proxy.rssBytes());
  }, 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return Math.max(highest, proxy.rssBytes()) - before;
}

function hashOf(blocks: number): string {
  const hash = createHash('sha256');
  for (let i = 0; i < blocks; i += 1) hash.update(block);
  return hash.digest('hex');
}

for (const chunked of [false, true]) {
  test(`a 300 MB upload ${chunked ? 'in chunks' : 'of known length'} needs less than 64 MB`, async () => {
    const blocks = 300;
    const upstream = await startScriptedUpstream();
    try {
      await using proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
      const growth = await growthDuring(proxy, async () => {
        upstream.forget();
        using client = await connectRaw(proxy.port);
        const framing = chunked
          ? 'Transfer-Encoding: chunked'
          : `Content-Length: ${blocks * block.length}`;
        await client.send(
          `POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n${framing}\r\n\r\n`,
        );
        for (let i = 0; i < blocks; i += 1) {
          if (chunked) await client.send(`${block.length.toString(16)}\r\n`);
          await client.send(block);
          if (chunked) await client.send('\r\n');
        }
        if (chunked) await client.send('0\r\n\r\n');
        assert.equal((await client.answer()).status, 200);
        const [record] = upstream.records;
        assert.equal(record?.request.bodyBytes, blocks * block.length);
        assert.equal(record?.request.bodySha256, hashOf(blocks));
      });
      assert.ok(growth < maxGrowthBytes, `memory grew by ${Math.round(growth / MiB)} MiB`);
    } finally {
      await upstream.close();
    }
  });
}

test('a 500 MB download to a slow reader needs less than 64 MB', async () => {
  const blocks = 500;
  let sent = 0;
  const body = (function* () {
    for (; sent < blocks; sent += 1) yield block;
  })();
  const headers = { 'content-type': 'application/octet-stream' };
  const upstream = await startScriptedUpstream({
    script: ({ path }) =>
      path === '/v1/large'
        ? { kind: 'reply', reply: { status: 200, headers, body } }
        : { kind: 'good' },
  });
  try {
    await using proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
    const growth = await growthDuring(proxy, async () => {
      using client = await connectRaw(proxy.port);
      await client.send('GET /v1/large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      await client.reader.until('\r\n\r\n');
      client.reader.pause();
      await sleep(1_500);
      assert.ok(sent < 64, `the upstream was held back; it had sent ${sent} MB of ${blocks}`);
      client.reader.resume();
      let bytes = 0;
      for (
        let some = await client.reader.some();
        some.length > 0;
        some = await client.reader.some()
      ) {
        bytes += some.length;
        // A reader that pauses now and then.
        if (Math.floor(bytes / (50 * MiB)) > Math.floor((bytes - some.length) / (50 * MiB))) {
          client.reader.pause();
          await sleep(100);
          client.reader.resume();
        }
      }
      assert.ok(bytes >= blocks * MiB, `${bytes} bytes arrived, framing included`);
      assert.equal(client.reader.wasReset, false);
    });
    assert.ok(growth < maxGrowthBytes, `memory grew by ${Math.round(growth / MiB)} MiB`);
  } finally {
    await upstream.close();
  }
});
