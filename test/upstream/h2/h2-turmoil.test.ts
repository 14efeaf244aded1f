// An HTTP/2 upstream in turmoil: streams refused, connections going away and dying under hundreds
// of requests. What was not processed is answered in the end; what was processed is never sent
// twice.

import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { h2Client, h2Server, told } from '../../support/h2-harness.ts';

const REQUESTS = 400;
const REFUSED_STREAM = 7;

/** A fate for each stream in turn; refusals come one at a time, so that a second try is served. */
function fateOf(n: number): 'answer' | 'refuse' | 'break' | 'go away' {
  if (n % 64 === 40) return 'go away';
  if (n % 8 === 2) return 'refuse';
  return n % 16 === 6 ? 'break' : 'answer';
}

test('in turmoil nothing is processed twice, and nothing that was refused is lost', async () => {
  await using server = await h2Server({ settings: { maxConcurrentStreams: 50 } });
  const processed = new Map<string, number>();
  let streams = 0;
  server.server.on('stream', (stream, headers) => {
    const id = String(headers[':path']);
    const fate = fateOf(streams);
    streams += 1;
    if (fate === 'refuse') {
      stream.close(REFUSED_STREAM);
      return;
    }
    processed.set(id, (processed.get(id) ?? 0) + 1);
    if (fate === 'break') stream.destroy(new Error('broken'));
    else setTimeout(answer, streams % 20, stream);
    if (fate === 'go away') stream.session?.close();
  });
  using client = h2Client(server.port);
  const results = await Promise.all(
    Array.from({ length: REQUESTS }, (_, i) => told(client.send({ path: `/${i}` }))),
  );
  const counts = new Map<string, number>();
  for (const result of results) counts.set(result, (counts.get(result) ?? 0) + 1);
  assert.deepEqual(new Set(processed.values()), new Set([1]));
  const answered = counts.get('200 ok') ?? 0;
  const broken = counts.get('reset sent') ?? 0;
  const refused = counts.get('refused_stream') ?? 0;
  assert.equal(answered + broken + refused, REQUESTS, JSON.stringify([...counts]));
  assert.equal(answered + broken, processed.size);
  assert.ok(refused < REQUESTS / 100, `${refused} were refused three times`);
});

function answer(stream: ServerHttp2Stream): void {
  if (stream.destroyed) return;
  stream.respond({ ':status': 200 });
  stream.end('ok');
}
