// The fleet's client in the bundle: packed, so that a start without a fleet pays nothing for it,
// and whole, so that one with a fleet joins.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle, PROGRAM } from '../../build/bundle.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/peer-process.ts';
import { needsRedis, startRedis } from '../support/start-redis.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpt-load-bundled-fleet-'));
const program = join(folder, 'main.cjs');

before(() => bundle({ ...PROGRAM, output: program }));
after(() => rmSync(folder, { recursive: true, force: true }));

test('the main script holds no line of the client', () => {
  const text = readFileSync(program, 'utf8');
  // A command that nobody here uses, as the client's code names it.
  assert.doesNotMatch(text, /XAUTOCLAIM|ZRANGEBYSCORE/);
  const client = join(import.meta.dirname, '../../node_modules/@redis/client/dist/lib/commands');
  assert.match(readFileSync(join(client, 'XAUTOCLAIM.js'), 'utf8'), /XAUTOCLAIM/);
});

test('the bundle unpacks it when FLEET_URL is set, and joins', needsRedis, async () => {
  await using redis = await startRedis();
  writeFileSync(join(folder, 'keys.txt'), 'sk-0000000000000000000000000000\n');
  const fleet = { FLEET_URL: redis.url, FLEET_SECRET: 'bundled' };
  const env = { HOST: '127.0.0.1', PORT: String(await freePort()), WORKERS: '1', ...fleet };
  const child = spawn(process.execPath, [program, 'serve'], { cwd: folder, env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      output += String(bytes);
    });
  }
  try {
    await eventually('it joins', () => /joined the fleet/.test(output), 20_000);
  } catch (error) {
    assert.fail(`${error}: ${output}`);
  } finally {
    child.kill('SIGKILL');
  }
});
