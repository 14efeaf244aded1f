// What was made with one key exists for that key's account only: a provider that knows each
// account's files, batches and stored responses is asked with the right key, on every worker and
// after kill -9.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import OpenAI, { toFile } from 'openai';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const keys = Array.from({ length: 6 }, (_, i) => `sk-test-account-${i}-0123456789abcdef`);

interface Accounts extends AsyncDisposable {
  readonly url: string;
  /** Which account made a thing. */
  readonly made: Map<string, string>;
  /** Requests that asked an account for what it does not know. */
  strangers: number;
}

const NOT_FOUND = {
  error: { message: 'No such thing', type: 'invalid_request_error', code: null },
};

/** A provider that knows things by account. */
async function startAccounts(): Promise<Accounts> {
  const made = new Map<string, string>();
  const state = { strangers: 0 };
  const make = (prefix: string, account: string): string => {
    const id = `${prefix}-${made.size + 1}abc`;
    made.set(id, account);
    return id;
  };
  const server = createServer(async (request, response) => {
    const account = accountOf(request);
    const path = (request.url ?? '').split('?')[0] ?? '';
    const send = (status: number, body: unknown, headers = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(body));
    };
    const knows = (id: string | undefined): boolean => {
      if (id !== undefined && made.get(id) === account) return true;
      state.strangers += 1;
      return false;
    };
    if (request.method === 'POST' && path === '/v1/files') {
      await text(request);
      return send(200, { object: 'file', id: make('file', account), purpose: 'batch' });
    }
    if (request.method === 'POST' && path === '/v1/batches') {
      const { input_file_id: file } = (await json(request)) as { input_file_id: string };
      if (!knows(file)) return send(400, NOT_FOUND);
      const body = gzipSync(JSON.stringify({ object: 'batch', id: make('batch', account) }));
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      return response.end(body);
    }
    if (request.method === 'POST' && path === '/v1/responses') {
      const { previous_response_id: before, stream } = (await json(request)) as {
        previous_response_id?: string;
        stream?: boolean;
      };
      if (before !== undefined && !knows(before)) return send(400, NOT_FOUND);
      const id = make('resp', account);
      if (stream !== true) return send(200, { id, object: 'response', output: [] });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const event = { type: 'response.created', sequence_number: 0, response: { id, output: [] } };
      response.write(`event: response.created\ndata: ${JSON.stringify(event)}\n\n`);
      return setTimeout(() => {
        const done = { type: 'response.completed', response: { id, output: [] } };
        response.end(`event: response.completed\ndata: ${JSON.stringify(done)}\n\n`);
      }, 20);
    }
    await text(request);
    const id = path.split('/').find((segment) => made.has(segment));
    return knows(id) ? send(200, { id, object: 'thing' }) : send(404, NOT_FOUND);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    made,
    get strangers() {
      return state.strangers;
    },
    set strangers(count) {
      state.strangers = count;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function accountOf({ headers }: IncomingMessage): string {
  return headers.authorization ?? '';
}

function sdk(proxy: GptLoad): OpenAI {
  return new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: 'any', maxRetries: 0 });
}

test('files, batches and responses go to the key that made them, on four workers', async () => {
  await using accounts = await startAccounts();
  const env = { WORKERS: '4' };
  await using proxy = await startGptLoad({ keys, upstreams: [accounts.url], env });
  const client = sdk(proxy);
  for (let i = 0; i < 6; i += 1) {
    const content = await toFile(Buffer.from('{}\n'), 'in.jsonl');
    const file = await client.files.create({ file: content, purpose: 'batch' });
    assert.equal((await client.files.retrieve(file.id)).id, file.id);
    const batch = await client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    assert.equal((await client.batches.retrieve(batch.id)).id, batch.id);
    const first = await client.responses.create({ model: 'gpt-4o', input: 'Hi' });
    const next = await client.responses.create({
      model: 'gpt-4o',
      input: 'And?',
      previous_response_id: first.id,
      stream: true,
    });
    let streamed = '';
    for await (const event of next) {
      if (event.type === 'response.created') streamed = event.response.id;
    }
    assert.equal((await client.responses.retrieve(streamed)).id, streamed);
  }
  assert.equal(accounts.strangers, 0);
});

test('what is not known is looked for with the other keys, and the finder is remembered', async () => {
  await using accounts = await startAccounts();
  await using proxy = await startGptLoad({ keys, upstreams: [accounts.url] });
  accounts.made.set('file-of-old', `Bearer ${keys[4]}`);
  const first = await proxy.ask('/v1/files/file-of-old');
  assert.equal(first.status, 200);
  const asked = accounts.strangers;
  assert.ok(asked <= 5);
  for (let i = 0; i < 5; i += 1) {
    assert.equal((await proxy.ask('/v1/files/file-of-old/content')).status, 200);
  }
  assert.equal(accounts.strangers, asked);
  // Nobody knows it: the client gets the provider's own answer, and no key is blamed.
  const nobody = await proxy.ask('/v1/files/file-of-nobody');
  assert.equal(nobody.status, 404);
  assert.match(nobody.body, /No such thing/);
  assert.equal(accounts.strangers, asked + keys.length);
  const { keys: counts } = JSON.parse((await proxy.ask('/stats')).body);
  assert.deepEqual([counts.healthy, counts.resting], [keys.length, 0]);
  // Other 404s are the client's own affair.
  accounts.strangers = 0;
  assert.equal((await proxy.ask('/v1/engines/none')).status, 404);
  assert.equal(accounts.strangers, 1);
});

test('what was made is known after kill -9, also when the lines of the file have moved', async () => {
  await using accounts = await startAccounts();
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-resources-'));
  const env = { STATE_FILE: join(directory, 'state.db') };
  try {
    const before = await startGptLoad({ keys, upstreams: [accounts.url], env });
    const made: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      const { body } = await before.ask('/v1/files', { method: 'POST', body: 'x' });
      made.push(JSON.parse(body).id);
    }
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    before.signal('SIGKILL');
    await before.exited;
    await using after = await startGptLoad({
      keys: keys.toReversed(),
      upstreams: [accounts.url],
      env,
    });
    for (const id of made) assert.equal((await after.ask(`/v1/files/${id}`)).status, 200);
    assert.equal(accounts.strangers, 0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
