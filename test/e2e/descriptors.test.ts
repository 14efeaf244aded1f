// A process that may open no more sockets says so itself: no upstream is blamed for it, and it
// serves again when there is room.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const key = 'sk-test-good-files-0123456789abcdef';
const skip = process.platform !== 'linux' && 'limits are read from /proc';

/** By address, and by a name that no descriptor is left to look up. */
for (const host of ['127.0.0.1', 'localhost']) {
  test(`out of descriptors on the way to ${host}: 503, nobody is blamed, and it goes on`, {
    skip,
  }, async () => {
    await using upstream = await startScriptedUpstream();
    const clients: Socket[] = [];
    await using proxy = await startGptLoad({
      keys: [key],
      upstreams: [upstream.url.replace('127.0.0.1', host)],
      env: { STATE_FILE: '' },
      openFiles: 60,
    });
    await proxy.waitForLog(/open file limit is too low for MAX_CONCURRENT_REQUESTS/, 30_000);
    // More connections than there are descriptors: the first ones are accepted, and nothing is left
    // for the way to the upstream.
    for (let i = 0; i < 60; i += 1) {
      clients.push(connect(proxy.port, '127.0.0.1').on('error', () => {}));
    }
    await eventually('its descriptors are used up', () => {
      return readdirSync(`/proc/${proxy.pid}/fd`).length >= 59;
    });
    const [first] = clients;
    assert.ok(first !== undefined);
    first.write('GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n');
    const [answer] = await once(first, 'data', { signal: AbortSignal.timeout(5_000) });
    assert.match(String(answer), /^HTTP\/1\.1 503 /);
    assert.match(String(answer), /"code":"out_of_descriptors"/);
    assert.match(String(answer), /retry-after: 1/i);
    for (const socket of clients) socket.destroy();
    await eventually('it serves again', async () => (await proxy.ask('/v1/models')).status === 200);
    const { body } = await proxy.ask('/metrics');
    assert.match(body, /gpt_load_upstream_consecutive_failures\{[^}]*\} 0/);
  });
}

test('the soft limit of open files is raised to the hard one at the start', { skip }, async () => {
  await using upstream = await startScriptedUpstream();
  const { url } = upstream;
  await using proxy = await startGptLoad({ keys: [key], upstreams: [url], softOpenFiles: 70 });
  const limits = readFileSync(`/proc/${proxy.pid}/limits`, 'latin1');
  const [, soft, hard] = /^Max open files +(\d+) +(\d+)/m.exec(limits) ?? [];
  assert.ok(Number(soft) > 70);
  assert.equal(soft, hard);
  assert.doesNotMatch(proxy.output(), /open file limit is too low/);
});
