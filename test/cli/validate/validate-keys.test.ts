// validate-keys against the scripted upstream: results, lists, outages, pruning.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { CommandRuntime } from '../../../src/cli/command-runtime.ts';
import { validateKeys } from '../../../src/cli/validate/validate-keys.ts';
import type { OptionValues } from '../../../src/cli/validate/validate-options.ts';
import { parseConfig } from '../../../src/config/config.ts';
import { withoutFile } from '../../../src/config/grouping.ts';
import {
  type ScriptedUpstreamOptions,
  startScriptedUpstream,
} from '../../../src/demo/scripted-upstream.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'gpt-load-validate-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function upstream(t: TestContext, options: ScriptedUpstreamOptions = {}) {
  const started = await startScriptedUpstream(options);
  t.after(() => started.close());
  return started;
}

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly read: (name: string) => string;
}

async function run(at: string, keys: string, values: OptionValues): Promise<Run> {
  const file = join(at, 'keys.txt');
  writeFileSync(file, keys, { mode: 0o640 });
  const [out, err]: [string[], string[]] = [[], []];
  const terminal = {
    write: (text: string) => void out.push(text),
    complain: (text: string) => void err.push(text),
    columns: 80,
    complaintColumns: undefined,
  };
  const config = parseConfig({ KEYS_FILE: file });
  const code = await validateKeys({ output: at, ...values }, config, {
    terminal,
    readGrouping: async () => withoutFile(config),
  } as unknown as CommandRuntime);
  return {
    code,
    out: out.join(''),
    err: err.join(''),
    read: (name) => readFileSync(join(at, name), 'utf8'),
  };
}

function manyKeys(count: number, name = 'good'): string {
  return Array.from(
    { length: count },
    (_, n) => `sk-demo-${name}-${String(n).padStart(8, '0')}\n`,
  ).join('');
}

const CAST = [
  'sk-demo-good-aaaaaaaa',
  '# a comment',
  'sk-demo-dead-bbbbbbbb',
  'sk-demo-limited-cccccccc',
  'sk-demo-good-aaaaaaaa',
  'sk-demo-quota-dddddddd',
  'sk-demo-nomodel-eeeeeeee',
  'sk-demo-overloaded-ffffffff',
  '',
].join('\n');

test('validate-keys tells five results apart and writes them into lists', async (t) => {
  const at = folder(t);
  const { url, records } = await upstream(t);
  const { code, out, err, read } = await run(at, CAST, { url, timeout: '2' });
  assert.equal(code, 2);
  assert.match(out, /^valid +1 /m);
  assert.match(out, /^resting +1 /m);
  assert.match(out, /^dead +2 /m);
  assert.match(out, /^no access +1 /m);
  assert.match(out, /^not checked +1 /m);
  assert.match(out, /^duplicate +1 /m);
  assert.match(out, /^ +4 {2}sk-d\.\.\.cccc {2}resting for (1\d|20) s /m);
  assert.match(
    read('valid_keys.txt'),
    /^# 2 of 6 .*\nsk-demo-good-aaaaaaaa\n# resting: .*\nsk-demo-limited-cccccccc\n$/,
  );
  assert.match(read('invalid_keys.txt'), /sk-demo-dead-bbbbbbbb\n[\s\S]*sk-demo-quota-dddddddd\n/);
  assert.match(
    read('duplicate_keys.txt'),
    /# line 5, first seen on line 1\nsk-demo-good-aaaaaaaa\n/,
  );
  assert.match(read('unchecked_keys.txt'), /sk-demo-overloaded-ffffffff\n/);
  for (const name of readdirSync(at).filter((file) => file !== 'keys.txt')) {
    assert.equal(statSync(join(at, name)).mode & 0o777, 0o600, name);
  }
  for (const line of CAST.split('\n').filter((text) => text.startsWith('sk-'))) {
    assert.ok(!`${out}${err}`.includes(line));
  }
  const asked = records.filter(({ request }) => request.key.includes('-good-'));
  assert.deepEqual(
    asked.map(({ request }) => [request.method, request.path]),
    [['GET', '/v1/models']],
  );
});

test('validate-keys asks a named model for one token after the list', async (t) => {
  const { url, records } = await upstream(t);
  const { code } = await run(folder(t), manyKeys(1), { url, model: 'gpt-5' });
  assert.equal(code, 0);
  const asked = records.map(({ request }) => [
    request.method,
    request.path,
    request.json?.max_tokens,
  ]);
  assert.deepEqual(asked, [
    ['GET', '/v1/models', undefined],
    ['POST', '/v1/chat/completions', 1],
  ]);
});

test('validate-keys exits 0 when all keys are usable and 1 when some are not', async (t) => {
  const { url } = await upstream(t);
  const usable = await run(folder(t), 'sk-demo-good-aaaaaaaa\nsk-demo-limited-cccccccc\n', { url });
  assert.equal(usable.code, 0);
  const some = await run(folder(t), 'sk-demo-good-aaaaaaaa\nsk-demo-dead-cccccccc\n', { url });
  assert.equal(some.code, 1);
});

test('validate-keys sends a pinned key to its own upstream and keeps the pin in the list', async (t) => {
  const [usual, own] = [await upstream(t), await upstream(t)];
  const { read } = await run(folder(t), `sk-demo-good-aaaaaaaa ${own.url}\n`, { url: usual.url });
  assert.equal(usual.received(), 0);
  assert.equal(own.received(), 1);
  assert.match(read('valid_keys.txt'), new RegExp(`\nsk-demo-good-aaaaaaaa ${own.url}\n`));
});

test('validate-keys gives JSON with previews for programs', async (t) => {
  const { url } = await upstream(t);
  const { out } = await run(folder(t), 'sk-demo-good-aaaaaaaa\nsk-demo-dead-bbbbbbbb\n', {
    url,
    json: true,
  });
  const report = JSON.parse(out);
  assert.deepEqual(report.counts, { valid: 1, resting: 0, dead: 1, no_access: 0, unchecked: 0 });
  assert.deepEqual(report.keys[1], {
    line: 2,
    preview: 'sk-d...bbbb',
    result: 'dead',
    reason: 'invalid_key',
    until: null,
  });
});

test('an upstream that is down marks no key invalid and is not asked for every key', async (t) => {
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
  await new Promise((resolve) => gone.close(resolve));
  const started = performance.now();
  const { code, out, read } = await run(folder(t), manyKeys(5_000), { url, timeout: '1' });
  assert.ok(performance.now() - started < 30_000);
  assert.equal(code, 2);
  assert.match(out, /^not checked +5,000 /m);
  const told = /^http:\/\/127\.0\.0\.1:\d+ does not answer, .*; 4,9\d\d keys not checked$/m;
  assert.match(out, told);
  assert.equal(read('invalid_keys.txt').includes('sk-'), false);
});

test('an outage in the middle of a check marks no key invalid', async (t) => {
  const { url } = await upstream(t, {
    script: ({ index }) =>
      index <= 100
        ? { kind: 'good' }
        : { kind: 'refuse', refusal: index % 2 === 0 ? 'overloaded' : 'broken' },
  });
  const { code, out, read } = await run(folder(t), manyKeys(1_000), { url, timeout: '1' });
  assert.equal(code, 2);
  assert.match(out, /^valid +100 /m);
  assert.match(out, /^dead +0 /m);
  assert.equal(read('unchecked_keys.txt').match(/^sk-/gm)?.length, 900);
});

test('an upstream that fails for every tenth key is asked for all, and not said to be down', async (t) => {
  const { url, records } = await upstream(t, {
    script: ({ key }) =>
      key.endsWith('0') ? { kind: 'refuse', refusal: 'broken' } : { kind: 'good' },
  });
  const { code, out } = await run(folder(t), manyKeys(400), { url, timeout: '10' });
  assert.equal(code, 2);
  assert.match(out, /^not checked +40 /m);
  assert.equal(new Set(records.map(({ request }) => request.key)).size, 400);
  assert.doesNotMatch(out, /does not answer/);
});

test('a fault that passes costs no key its check', async (t) => {
  const { url } = await upstream(t, {
    script: ({ index }) =>
      index <= 50 ? { kind: 'refuse', refusal: 'overloaded' } : { kind: 'good' },
  });
  const { code } = await run(folder(t), manyKeys(200), { url });
  assert.equal(code, 0);
});

const FILE = `\ufeffsk-demo-dead-aaaaaaaa\r\n# Schlüssel\r\n\r\n  sk-demo-good-bbbbbbbb # mine\nsk-demo-dead-aaaaaaaa\nsk-demo-dead-cccccccc`;

test('validate-keys --prune takes dead keys out, keeps the rest byte for byte, and a backup', async (t) => {
  const at = folder(t);
  const { url } = await upstream(t);
  const { out, read } = await run(at, FILE, { url, prune: true });
  assert.equal(read('keys.txt'), '\ufeff# Schlüssel\r\n\r\n  sk-demo-good-bbbbbbbb # mine\n');
  assert.equal(statSync(join(at, 'keys.txt')).mode & 0o777, 0o640);
  const backup = readdirSync(at).find((name) => name.startsWith('keys.txt.bak-')) ?? '';
  assert.equal(read(backup), FILE);
  assert.equal(statSync(join(at, backup)).mode & 0o777, 0o600);
  assert.match(out, /^3 lines removed from the key file; backup: /m);
});

test('validate-keys --prune leaves a file alone of which no key was accepted', async (t) => {
  const at = folder(t);
  const { url } = await upstream(t);
  const { out, read } = await run(at, manyKeys(3, 'dead'), { url, prune: true });
  assert.equal(read('keys.txt'), manyKeys(3, 'dead'));
  assert.match(out, /^key file unchanged: no key was accepted; is the URL right\?$/m);
  assert.ok(!readdirSync(at).some((name) => name.includes('.bak-')));
});

test('validate-keys says in one line what is wrong with its options or files, and exits 2', async (t) => {
  const cases: [OptionValues, RegExp][] = [
    [{ concurrency: '0' }, /--concurrency: must be an integer from 1 to 1000, got "0"/],
    [{ timeout: 'soon' }, /--timeout: must be a number of seconds/],
    [
      { url: 'http://me:secret@host' },
      /--url: must be an http:\/\/ or https:\/\/ URL .*\*\*\*\*@host/,
    ],
    [{ model: '' }, /--model: must be a non-empty value/],
    [{ file: '/no/such/file' }, /\/no\/such\/file: no such file/],
  ];
  for (const [values, message] of cases) {
    const { code, err, out } = await run(folder(t), manyKeys(1), values);
    assert.equal(code, 2);
    assert.match(err, message);
    assert.equal(err.split('\n').length, 2);
    assert.equal(out, '');
  }
});

test('validate-keys shows what it found when the lists cannot be written', async (t) => {
  const { url } = await upstream(t);
  const { code, out, err } = await run(folder(t), manyKeys(1), { url, output: '/proc/nowhere' });
  assert.equal(code, 2);
  assert.match(out, /^valid +1$/m);
  assert.match(err, /cannot write the results: /);
});
