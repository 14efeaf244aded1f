// The systemd unit, as systemd's own tools judge it (Debian: systemd), and deployments of a fleet.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VARIABLES } from '../../src/config/variables.ts';
import { needs } from '../support/peer-process.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const folder = mkdtempSync(join(tmpdir(), 'gpt-load-deploy-'));
const unit = join(folder, 'gpt-load.service');
const told = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '';
const release = Number(/^systemd (\d+)/.exec(told)?.[1] ?? 0);
// 250 is the first that judges a unit file which is not installed.
const skip = release < 250 ? 'no systemd-analyze of 250 or later' : false;

// Neither the user nor the executable need be on the machine that tests.
const text = readFileSync(join(deploy, 'gpt-load.service'), 'utf8')
  .replace('/usr/local/bin/gpt-load', '/bin/true')
  .replace(/^(User|Group)=gpt-load$/gm, '$1=root');
writeFileSync(unit, text);
after(() => rmSync(folder, { recursive: true, force: true }));

test('systemd has no complaint about the unit', { skip }, () => {
  const { stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
  // Other units of the machine are not our business.
  assert.doesNotMatch(stderr, /gpt-load/);
});

test('systemd rates the exposure of the unit 2.0 or less of 10', { skip }, () => {
  const file = join(deploy, 'gpt-load.service');
  const args = ['security', '--offline=true', '--threshold=20', '--no-pager', file];
  const { status, stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

const read = (file: string) => readFileSync(join(deploy, file), 'utf8');

test('deployments of a fleet name variables that exist', () => {
  const known = new Set(Object.values(VARIABLES).map(({ name }) => name));
  const compose = read('../docker-compose.fleet.yml').match(/^ {4}[A-Z][A-Z_]+(?=:)/gm) ?? [];
  const pods = read('kubernetes.yaml').match(/(?<=\{ name: |--from-literal=)[A-Z][A-Z_]+/g) ?? [];
  const names = [...compose, ...pods].map((name) => name.trim());
  assert.ok(names.length >= 12, names.join(' '));
  const unknown = names.filter((name) => !known.has(name));
  assert.deepEqual(unknown, []);
});

test('nginx takes the load balancer of docker-compose.fleet.yml', needs('nginx'), () => {
  const [, given = ''] = /content: \|\n((?: {6}.*\n|\n)+)/.exec(
    read('../docker-compose.fleet.yml'),
  ) ?? ['', ''];
  const site = given
    .replaceAll('$$', '$')
    .replace(/gpt-load-[12]:3000/g, '127.0.0.1:3000')
    .replace('listen 3000', 'listen 127.0.0.1:39127');
  const conf = join(folder, 'nginx.conf');
  const head = `pid ${join(folder, 'nginx.pid')}; error_log stderr;\nevents {}\n`;
  writeFileSync(conf, `${head}http { access_log off;\n${site}}\n`);
  const { status, stderr } = spawnSync('nginx', ['-t', '-c', conf], {
    encoding: 'utf8',
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
  });
  assert.equal(status, 0, stderr);
});
