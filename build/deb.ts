// `make deb`: a Debian package of an executable that is built: with unit, conffiles, manual page
// and completions. dpkg-deb packs it; what happens at installation is in deploy/debian/.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { SHELLS, type Shell } from '../src/cli/command-table.ts';
import { completionScript } from '../src/cli/completion.ts';
import { manualPage } from '../src/cli/manual.ts';
import { version } from './bundle.ts';
import { documents } from './documents.ts';
import { run } from './node-base.ts';
import { hostTarget, ROOT, type Target } from './targets.ts';

const DEPLOY = join(ROOT, 'deploy');
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' } as const;
const CONFFILES = ['keys.txt', 'gpt-load.env'] as const;
const SCRIPTS = ['postinst', 'prerm', 'postrm'] as const;
/** Where each shell looks for what packages bring. */
const COMPLETIONS: Readonly<Record<Shell, string>> = {
  bash: 'usr/share/bash-completion/completions/gpt-load',
  zsh: 'usr/share/zsh/vendor-completions/_gpt-load',
  fish: 'usr/share/fish/vendor_completions.d/gpt-load.fish',
};

/** Packs `executable` into a package in `folder`; returns the package's name. */
export function debPackage(target: Target, executable: string, folder: string): string {
  const stage = mkdtempSync(join(tmpdir(), 'gpt-load-deb-'));
  try {
    fill(stage, executable);
    writeControl(stage, target);
    const name = `gpt-load_${version()}_${ARCHITECTURES[target.arch]}.deb`;
    const args = ['--root-owner-group', '-Zxz', '-z6', '--build', stage, join(folder, name)];
    run('dpkg-deb', args);
    return name;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function fill(stage: string, executable: string): void {
  chmodSync(stage, 0o755);
  const put = (path: string, content: string | Buffer, mode = 0o644) => {
    mkdirSync(dirname(join(stage, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(stage, path), content);
    chmodSync(join(stage, path), mode);
  };
  const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
  const unit = read('deploy/gpt-load.service').replaceAll('/usr/local/bin/', '/usr/bin/');
  put('lib/systemd/system/gpt-load.service', unit);
  put('usr/share/man/man1/gpt-load.1.gz', gzipSync(manualPage(version()), { level: 9 }));
  for (const shell of SHELLS) put(COMPLETIONS[shell], completionScript(shell));
  for (const name of CONFFILES) put(`etc/gpt-load/${name}`, read(`deploy/debian/${name}`), 0o640);
  const place = 'usr/share/doc/gpt-load';
  put(`${place}/copyright`, read('LICENSE'));
  put(`${place}/changelog.gz`, gzipSync(read('CHANGELOG.md'), { level: 9 }));
  for (const path of documents()) put(`${place}/${path}`, readFileSync(join(ROOT, path)));
  mkdirSync(join(stage, 'usr/bin'), { mode: 0o755 });
  copyFileSync(executable, join(stage, 'usr/bin/gpt-load'));
  chmodSync(join(stage, 'usr/bin/gpt-load'), 0o755);
}

function writeControl(stage: string, { arch }: Target): void {
  const folder = join(stage, 'DEBIAN');
  const kilobytes = run('du', ['-sk', stage]).split('\t')[0];
  mkdirSync(folder, { mode: 0o755 });
  const { description, author } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const control = [
    'Package: gpt-load',
    `Version: ${version()}`,
    `Architecture: ${ARCHITECTURES[arch]}`,
    `Maintainer: ${author ?? 'the maintainers of gpt-load <gpt-load@localhost>'}`,
    `Installed-Size: ${kilobytes}`,
    'Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 8), passwd',
    'Section: net',
    'Priority: optional',
    `Description: ${description}`,
    ' Rotates keys and upstreams, retries when one fails, and learns which keys are',
    ' healthy, resting or blacklisted.',
    '',
  ];
  writeFileSync(join(folder, 'control'), control.join('\n'));
  const conffiles = CONFFILES.map((name) => `/etc/gpt-load/${name}\n`).join('');
  writeFileSync(join(folder, 'conffiles'), conffiles);
  for (const name of SCRIPTS) {
    copyFileSync(join(DEPLOY, 'debian', name), join(folder, name));
    chmodSync(join(folder, name), 0o755);
  }
}

if (import.meta.main) {
  const target = hostTarget();
  const executable = join(ROOT, 'build/gpt-load');
  if (target?.platform !== 'linux') throw new Error('a Debian package is made on Linux');
  if (!existsSync(executable)) throw new Error('build/gpt-load is missing: run make build');
  const name = debPackage(target, executable, join(ROOT, 'build'));
  const bytes = statSync(join(ROOT, 'build', name)).size;
  console.log(`build/${name}: ${(bytes / 1e6).toFixed(1)} MB`);
}
