// What a log line looks like, and that none can be forged, leak a key, or throw; and the file that
// takes them: batched, reopened, and lossy rather than in the way when the disk fails.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type AccessFields, accessLine } from '../../src/log/access-log.ts';
import { createLogger, type Logger, type LoggerOptions } from '../../src/log/log.ts';
import { type LogSink, MAX_QUEUED_CHARS, openLogFile } from '../../src/log/log-sink.ts';
import { eventually } from '../support/eventually.ts';

const KEY = 'sk-proj-0123456789abcdefghijklmnop';
const AT_MS = Date.UTC(2026, 0, 31, 12);

function logged(say: (log: Logger) => void, options: Partial<LoggerOptions> = {}): string {
  const lines: string[] = [];
  say(
    createLogger({
      level: 'debug',
      format: 'text',
      colour: false,
      clock: () => AT_MS,
      write: (line) => lines.push(line),
      ...options,
    }),
  );
  return lines.join('');
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-log-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Until what was queued has come to this; a single flush gives up after a second. */
async function written(file: LogSink, done: () => boolean): Promise<void> {
  await eventually('it is written', async () => {
    await file.flush();
    return done();
  });
}

test('a text line is time, level, message and name=value, quoted where it has to be', () => {
  const line = logged((log) =>
    log.warn('key rests', {
      key: 'sk-a...wxyz',
      untilMs: 1500,
      why: 'too many',
      no: undefined,
      of: '',
    }),
  );
  assert.equal(
    line,
    '2026-01-31T12:00:00.000Z WARN  key rests key=sk-a...wxyz untilMs=1500 why="too many" of=""\n',
  );
});

test('a JSON line is one object whose own names no field replaces', () => {
  const line = logged(
    (log) => log.info('hello', { level: 'x', list: [1, { a: true }], none: null }),
    {
      format: 'json',
    },
  );
  assert.equal(line.endsWith('\n'), true);
  assert.deepEqual(JSON.parse(line), {
    time: '2026-01-31T12:00:00.000Z',
    level: 'info',
    message: 'hello',
    level_: 'x',
    list: [1, { a: true }],
    none: null,
  });
});

test('a level below the one that is set is not written', () => {
  const say = (log: Logger) => {
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
  };
  assert.match(logged(say, { level: 'warn' }), /^\S+ WARN {2}c\n\S+ ERROR d\n$/);
});

test('colours come only when they are asked for', () => {
  const say = (log: Logger) => log.error('x', { a: 1 });
  assert.equal(logged(say).includes('\x1b'), false);
  assert.equal(logged(say, { colour: true }).includes('\x1b[31mERROR'), true);
  assert.equal(logged(say, { colour: true, format: 'json' }).includes('\x1b'), false);
});

for (const format of ['text', 'json'] as const) {
  test(`no key is written whole, wherever it hides (${format})`, () => {
    const text = logged(
      (log) => {
        log.info(`asked with ${KEY}`, { deep: { list: [{ authorization: `Bearer ${KEY}` }] } });
        log.warn('x', { error: new Error('refused', { cause: new Error(`key ${KEY}`) }) });
        log.error('x', { path: `/v1/models?key=${KEY}`, authKey: 'hunter2', cookie: 'a=b' });
        log.error('x', { long: `${'a'.repeat(4090)}${KEY}` });
      },
      { format },
    );
    assert.equal(text.includes(KEY.slice(0, 20)), false);
    assert.equal(text.includes('hunter2'), false);
  });

  test(`no message and no field starts a line of its own or steers a terminal (${format})`, () => {
    const evil = 'a\nERROR forged\r\x1b[2J\u0085\u009b31m\u202egnp\u2028b';
    const text = logged((log) => log.info(evil, { evil, nested: { evil }, list: [evil] }), {
      format,
    });
    assert.equal(text.split('\n').length, 2);
    assert.doesNotMatch(text.slice(0, -1), /[\p{Cc}\p{Cf}\u2028\u2029]/u);
  });

  test(`no value makes a logger throw, and none floods the log (${format})`, () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    const hostile = { toJSON: () => assert.fail('never mind') };
    const values = { circle, hostile, big: 10n, call: () => 1, symbol: Symbol('s') };
    const text = logged((log) => log.info('x', { ...values, long: 'y'.repeat(1_000_000) }), {
      format,
    });
    assert.ok(text.length < 10_000);
    assert.match(text, /not serialisable/);
  });
}

const ACCESS: AccessFields = {
  id: 'r-1',
  client: '192.0.2.1',
  method: 'POST',
  path: `/v1/chat/completions?key=${KEY}`,
  status: 200,
  firstByteMs: 120.4,
  totalMs: 1500.6,
  bytesIn: 10,
  bytesOut: 2000,
  attempts: [
    { upstream: 'a.example', key: 'sk-p...aaaa', verdict: 'key_dead invalid_key', ms: 80.2 },
    { upstream: 'b.example', key: 'sk-p...bbbb', verdict: 'success', ms: 1400 },
  ],
};

test('an access line reads as a summary in text', () => {
  const line = logged((log) => log.info(...accessLine(ACCESS, 'text')));
  assert.match(
    line,
    /INFO {2}POST \/v1\/chat\/completions\?key=\S+ 200 ms=120\/1501 bytes=10\/2\.0k/,
  );
  assert.match(line, /key=sk-p\.\.\.bbbb@b\.example/);
  assert.match(line, /attempts="sk-p\.\.\.aaaa@a\.example key_dead invalid_key 80ms -> sk-p/);
  assert.equal(line.includes(KEY), false);
});

test('an access line has every fact under its own name in JSON', () => {
  const line = logged((log) => log.info(...accessLine(ACCESS, 'json')), { format: 'json' });
  const { message, method, status, attempts, bytes_out: bytesOut } = JSON.parse(line);
  assert.deepEqual([message, method, status, bytesOut], ['request', 'POST', 200, 2000]);
  assert.equal(attempts.length, 2);
  assert.equal(line.includes(KEY), false);
});

test('an access line does not list the attempt of a request that succeeded at once', () => {
  const attempts = ACCESS.attempts.slice(1);
  assert.doesNotMatch(
    logged((log) => log.info(...accessLine({ ...ACCESS, attempts }, 'text'))),
    /attempts/,
  );
});

test('a log file is created with its directory and takes lines in order', async (t) => {
  const path = join(temporaryDirectory(t), 'logs', 'deep', 'app.log');
  const file = openLogFile(path, assert.fail);
  for (let i = 0; i < 1000; i += 1) file.write(`line ${i}\n`);
  await written(file, () => readFileSync(path, 'utf8').endsWith('line 999\n'));
  assert.equal(readFileSync(path, 'utf8').split('\n')[999], 'line 999');
  assert.equal(statSync(path).mode & 0o007, 0);
  assert.equal(file.dropped, 0);
});

test('a log file is opened anew after it was renamed, and no line is lost', async (t) => {
  const path = join(temporaryDirectory(t), 'app.log');
  const file = openLogFile(path, assert.fail);
  file.write('before\n');
  await written(file, () => readFileSync(path, 'utf8') !== '');
  renameSync(path, `${path}.1`);
  file.write('between\n');
  file.reopen();
  file.write('after\n');
  await written(file, () => readFileSync(path, 'utf8').endsWith('after\n'));
  const [old, now] = [`${path}.1`, path].map((each) => readFileSync(each, 'utf8'));
  assert.equal(`${old}${now}`, 'before\nbetween\nafter\n');
  assert.equal(old?.startsWith('before'), true);
});

test('a log file that cannot be opened costs lines, is told once and is tried again', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'app.log');
  const blocked = join(path, 'below', 'app.log');
  const told: string[] = [];
  writeFileSync(path, 'in the way of the directory');
  const file = openLogFile(blocked, (message) => told.push(message));
  file.write('lost\n');
  file.write('lost\n');
  await written(file, () => file.dropped >= 2);
  file.write('lost\n');
  await file.flush();
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /app\.log/);
  assert.ok(file.dropped >= 2);
  rmSync(path);
  await new Promise((resolve) => setTimeout(resolve, 250));
  file.write('found\n');
  await written(file, () => readFileSync(blocked, 'utf8') !== '');
  assert.equal(readFileSync(blocked, 'utf8'), 'found\n');
});

test('a full disk costs lines, never an exception', {
  skip: !existsSync('/dev/full'),
}, async () => {
  const told: string[] = [];
  const file = openLogFile('/dev/full', (message) => told.push(message));
  file.write('a\n');
  await written(file, () => file.dropped >= 1);
  file.write('b\nc\n');
  await written(file, () => file.dropped > 1);
  assert.equal(file.dropped, 3, 'lines are counted, not writes');
  assert.equal(told.length, 1);
});

test('a pipe that nobody reads costs lines, and holds nobody up', {
  skip: process.platform === 'win32',
}, async (t) => {
  const told: string[] = [];
  const path = join(temporaryDirectory(t), 'pipe');
  spawnSync('mkfifo', [path]);
  const file = openLogFile(path, (message) => told.push(message));
  file.write('a\n');
  await written(file, () => file.dropped > 0);
  assert.equal(file.dropped, 1);
  assert.equal(told.length, 1);
  rmSync(path);
});

test('a file that neither opens nor fails costs lines and is told of; opened late, it takes them', async (t) => {
  const told: string[] = [];
  const path = join(temporaryDirectory(t), 'app.log');
  const opening = Promise.withResolvers<number>();
  let asked = 0;
  const file = openLogFile(
    path,
    (message) => told.push(message),
    () => {
      asked += 1;
      return opening.promise;
    },
  );
  const startMs = performance.now();
  file.write('lost\nlost\n');
  assert.ok(performance.now() - startMs < 1_000);
  await eventually('it is told', () => told.length === 1);
  assert.match(told[0] ?? '', /app\.log: it did not open within 2 s/);
  file.write('lost\n');
  file.reopen();
  await written(file, () => file.dropped >= 3);
  assert.deepEqual([file.dropped, asked], [3, 1]);
  opening.resolve(openSync(path, 'a'));
  await opening.promise;
  file.write('kept\n');
  await written(file, () => readFileSync(path, 'utf8') !== '');
  assert.equal(readFileSync(path, 'utf8'), 'kept\n');
  assert.equal(told.length, 1);
});

test('what waits for a slow disk is bounded, and what is lost is counted', async (t) => {
  const file = openLogFile(join(temporaryDirectory(t), 'app.log'), assert.fail);
  const line = `${'x'.repeat(1024 * 1024 - 1)}\n`;
  for (let i = 0; i < 6; i += 1) file.write(line);
  assert.equal(file.dropped, 6 - MAX_QUEUED_CHARS / line.length);
  await file.flush();
});
