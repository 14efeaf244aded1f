// The client commands against scripted answers: tables, exit codes, errors, TLS, sockets.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ClientOptions, client } from '../../src/cli/client.ts';
import type { ClientCommand } from '../../src/cli/client-views.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { type Env, parseConfig } from '../../src/config/config.ts';

const HEALTH = {
  status: 'healthy',
  timestamp: '2026-01-31T12:00:00Z',
  healthy_keys: 12,
  total_keys: 14,
  uptime: 11_525,
};
const NOW_MS = Date.UTC(2026, 0, 31, 12);
const BLACKLIST = {
  blacklisted_keys: [
    {
      preview: 'sk-a...wxyz',
      reason: 'key rejected',
      blacklistAt: new Date(NOW_MS - 65_000),
      failCount: 3,
    },
  ],
  resting_keys: [
    {
      preview: 'sk-b...abcd',
      model: 'gpt-5',
      until: new Date(NOW_MS + 90_000),
      reason: 'rate limit',
    },
  ],
  count: 1,
};

class Screen implements Terminal {
  out = '';
  err = '';
  readonly columns: number | undefined;
  readonly complaintColumns = undefined;
  constructor(columns?: number) {
    this.columns = columns;
  }
  write(text: string): void {
    this.out += text;
  }
  complain(text: string): void {
    this.err += text;
  }
}

async function listen(t: TestContext, server: Server, at: object = { port: 0, host: '127.0.0.1' }) {
  await new Promise<void>((resolve) => server.listen(at, resolve));
  t.after(() => server.close());
  return String((server.address() as AddressInfo | null)?.port ?? '');
}

function answering(status: number, body: unknown, seen: IncomingMessage[] = []): RequestListener {
  return (request, response) => {
    seen.push(request);
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

async function run(
  command: ClientCommand,
  env: Env,
  more: Partial<ClientOptions> = {},
  columns = 80,
) {
  const screen = new Screen(columns);
  const options = { url: undefined, json: false, ...more };
  const code = await client(command, options, parseConfig(env), screen);
  return { code, out: screen.out, err: screen.err };
}

test('health shows a table and exits 0 when healthy, 1 when not', async (t) => {
  const port = await listen(t, createServer(answering(200, HEALTH)));
  const { code, out } = await run('health', { PORT: port });
  assert.equal(code, 0);
  assert.equal(out, 'status        healthy\nhealthy keys  12 of 14\nuptime        3 h 12 min\n');
  const sick = await listen(t, createServer(answering(503, { ...HEALTH, status: 'unhealthy' })));
  const unhealthy = await run('health', { PORT: sick });
  assert.equal(unhealthy.code, 1);
  assert.match(unhealthy.out, /^status +unhealthy$/m);
});

test('client gives the answer as it came with --json', async (t) => {
  const port = await listen(t, createServer(answering(200, HEALTH)));
  const { out } = await run('health', { PORT: port }, { json: true });
  assert.equal(out, `${JSON.stringify(HEALTH)}\n`);
});

test('client sends AUTH_KEY, but not to /health, and posts reset-keys', async (t) => {
  const seen: IncomingMessage[] = [];
  const answer = { ...HEALTH, message: 'all keys are usable again' };
  const env = {
    PORT: await listen(t, createServer(answering(200, answer, seen))),
    AUTH_KEY: 'letmein',
  };
  await run('health', env);
  const reset = await run('reset-keys', env);
  const requests = seen.map(({ method, url, headers }) => [method, url, headers.authorization]);
  assert.deepEqual(requests, [
    ['GET', '/health', undefined],
    ['POST', '/reset-keys', 'Bearer letmein'],
  ]);
  assert.equal(reset.out, 'message       all keys are usable again\nhealthy keys  12 of 14\n');
});

test('blacklist tells how long ago, until when, and fits 80 columns', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: NOW_MS });
  const long = structuredClone(BLACKLIST) as typeof BLACKLIST;
  for (const key of long.blacklisted_keys) key.reason = 'the provider rejected this key '.repeat(5);
  const port = await listen(t, createServer(answering(200, long)));
  const { out, code } = await run('blacklist', { PORT: port });
  assert.equal(code, 0);
  assert.match(out, /^1 key is blacklisted\nKEY +REASON +SINCE +FAILS$/m);
  assert.match(out, /1 min 5 s ago/);
  assert.match(out, /^sk-b\.\.\.abcd +gpt-5 +in 1 min 30 s +rate limit$/m);
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line);
});

test('blacklist tells the next probe, and once what each reason means', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: NOW_MS });
  const dead = {
    ...BLACKLIST.blacklisted_keys[0],
    reason: 'invalid_key',
    explanation: 'The upstream says that the key is invalid.',
    probeAt: new Date(NOW_MS + 3_660_000),
  };
  const answer = { blacklisted_keys: [dead, dead], count: 2, resting_keys: [] };
  const { out } = await run('blacklist', {
    PORT: await listen(t, createServer(answering(200, answer))),
  });
  assert.match(out, /^KEY +REASON +SINCE +FAILS +PROBE$/m);
  assert.match(out, /^sk-a\.\.\.wxyz +invalid_key +1 min 5 s ago +3 +in 1 h 1 min$/m);
  assert.equal(out.match(/^invalid_key +The upstream says/gm)?.length, 1);
});

test('colours reach a terminal that shows them, and nobody else', async (t) => {
  const port = await listen(t, createServer(answering(200, HEALTH)));
  const screen = Object.assign(new Screen(80), { colour: true });
  await client('health', { url: undefined, json: false }, parseConfig({ PORT: port }), screen);
  assert.ok(screen.out.includes('\x1b[32mhealthy\x1b[39m'), screen.out);
  assert.equal((await run('health', { PORT: port })).out.includes('\x1b'), false);
});

test('blacklist says so when no key is on it', async (t) => {
  const port = await listen(t, createServer(answering(200, { blacklisted_keys: [], count: 0 })));
  const { out } = await run('blacklist', { PORT: port });
  assert.equal(out, 'no key is blacklisted\n');
});

test('stats shows every section, the unknown ones too', async (t) => {
  const answer = {
    keys: { total: 14, healthy: 12, current_index: 3 },
    memory: { rss_mb: 80.04, external_bytes: 1_048_576 },
    upstreams: [{ host: 'api.openai.com', state: 'healthy' }],
    timestamp: 'now',
  };
  const port = await listen(t, createServer(answering(200, answer)));
  const { out } = await run('stats', { PORT: port });
  assert.equal(
    out,
    'keys\n  total          14\n  healthy        12\n  current index  3\n\n' +
      'memory\n  rss       80.0 MiB\n  external  1.0 MiB\n\n' +
      'upstreams\n  HOST            STATE\n  api.openai.com  healthy\n',
  );
});

test('client explains in one line why it could not ask, and exits 2', async (t) => {
  const gone = createServer();
  const port = await listen(t, gone);
  await new Promise((resolve) => gone.close(resolve));
  const locked = await listen(t, createServer(answering(401, {})));
  const other = await listen(t, createServer(answering(200, '<html>')));
  const cases: [Env, Partial<ClientOptions>, RegExp][] = [
    [
      { PORT: port },
      {},
      /nothing is listening at http:\/\/127\.0\.0\.1:\d+; is gpt-load running\?/,
    ],
    [{ HOST: 'unix:/tmp/no-such.sock' }, {}, /nothing is listening at unix:\/tmp\/no-such\.sock/],
    [{ PORT: locked }, {}, /requires an AUTH_KEY, but none is set/],
    [{ PORT: locked, AUTH_KEY: 'wrong' }, {}, /rejects this AUTH_KEY/],
    [{ PORT: other }, {}, /answered 200; is it gpt-load\?/],
    [{}, { url: 'ftp://x' }, /--url must be an http or https URL/],
    [{}, { url: `https://127.0.0.1:${other}` }, /does not speak https/],
  ];
  for (const [env, options, message] of cases) {
    const { code, err, out } = await run('stats', env, options);
    assert.equal(code, 2);
    assert.match(err, message);
    assert.match(err, /^gpt-load stats: [^\n]+\n$/);
    assert.equal(out, '');
    assert.ok(!err.includes('wrong'));
  }
});

test('client takes --url with and without a scheme, and a path before the endpoint', async (t) => {
  const seen: IncomingMessage[] = [];
  const port = await listen(t, createServer(answering(200, HEALTH, seen)));
  for (const url of [`127.0.0.1:${port}`, `http://localhost:${port}/behind/`]) {
    assert.equal((await run('health', { HOST: '203.0.113.1' }, { url })).code, 0);
  }
  assert.deepEqual(
    seen.map((request) => request.url),
    ['/health', '/behind/health'],
  );
});

test('client reaches a Unix socket', async (t) => {
  const at = mkdtempSync(join(tmpdir(), 'gpt-load-client-'));
  t.after(() => rmSync(at, { recursive: true, force: true }));
  const path = join(at, 'proxy.sock');
  await listen(t, createServer(answering(200, HEALTH)), { path });
  assert.equal((await run('health', { HOST: `unix:${path}` })).code, 0);
});

test('client accepts the certificate that this configuration serves, and no other', async (t) => {
  const at = mkdtempSync(join(tmpdir(), 'gpt-load-client-'));
  t.after(() => rmSync(at, { recursive: true, force: true }));
  const [one, two] = ['one', 'two'].map((name) => {
    const cert = join(at, `${name}.pem`);
    const key = join(at, `${name}.key`);
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ].concat(['-subj', '/CN=proxy.example', '-keyout', key, '-out', cert]),
      { stdio: 'ignore' },
    );
    return { TLS_CERT_FILE: cert, TLS_KEY_FILE: key };
  });
  assert.ok(one !== undefined && two !== undefined);
  const tls = { cert: readFileSync(one.TLS_CERT_FILE), key: readFileSync(one.TLS_KEY_FILE) };
  const port = await listen(t, createTlsServer(tls, answering(200, HEALTH)));
  const right = await run('health', { PORT: port, ...one });
  assert.equal(right.err, '');
  assert.equal(right.code, 0);
  const wrong = await run('health', { PORT: port, ...two });
  assert.equal(wrong.code, 2);
  const url = `https://127.0.0.1:${port}`;
  for (const env of [one, {}]) assert.equal((await run('health', env, { url })).code, 0);
  // What carries AUTH_KEY trusts nobody on its word.
  assert.equal((await run('stats', two, { url })).code, 2);
  const unknown = await run('stats', {}, { url });
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /self-signed certificate; set EXTRA_CA_FILE/);
});
