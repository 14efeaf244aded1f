// The program as a person meets it: commands, options, exit codes, and how mistakes are told.
// Each test runs the real main.ts in an empty directory with a clean environment.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { COMMANDS } from '../src/cli/command-table.ts';
import { VARIABLES } from '../src/config/variables.ts';

const MAIN = join(import.meta.dirname, '../src/main.ts');
const directory = mkdtempSync(join(tmpdir(), 'gpt-load-main-'));
after(() => rmSync(directory, { recursive: true, force: true }));

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function gptLoad(args: readonly string[], env: Record<string, string> = {}, cwd = directory): Run {
  const binary = process.env.GPT_LOAD_BINARY;
  const [command = '', ...first] = binary ? [binary] : [process.execPath, '--', MAIN];
  const run = spawnSync(command, [...first, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { code: run.status, stdout: run.stdout, stderr: run.stderr };
}

/** A fresh directory with these files. */
function place(files: Record<string, string>): string {
  const place = mkdtempSync(join(directory, 'place-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text);
  return place;
}

test('--version tells version, commit, platform and Node in one line', () => {
  const { code, stdout } = gptLoad(['--version']);
  assert.equal(code, 0);
  assert.match(stdout, /^gpt-load \d+\.\d+\.\d+ \(commit \S+, \w+-\w+, Node \d+\.\d+\.\d+\)\n$/);
});

test('version, man and completion print without a configuration that could be used', () => {
  const env = { PORT: 'http' };
  assert.match(gptLoad(['version'], env).stdout, /^gpt-load \d+\.\d+\.\d+ \(commit /);
  const { version } = JSON.parse(gptLoad(['version', '--json'], env).stdout);
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.match(gptLoad(['man'], env).stdout, /^\.TH GPT/);
  assert.match(gptLoad(['completion', 'bash'], env).stdout, /complete -F _gpt_load gpt-load\n$/);
});

test('--help names every command and every variable', () => {
  const { code, stdout, stderr } = gptLoad(['--help']);
  assert.deepEqual([code, stderr], [0, '']);
  for (const name of Object.keys(COMMANDS)) assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
  for (const { name } of Object.values(VARIABLES))
    assert.match(stdout, new RegExp(`^  ${name}=`, 'm'));
  for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
});

test('help of a command is the same by --help and by help, and fits a terminal', () => {
  const first = gptLoad(['validate-keys', '--help']);
  assert.equal(first.code, 0);
  assert.match(first.stdout, /-c, --concurrency N/);
  assert.equal(gptLoad(['help', 'validate-keys']).stdout, first.stdout);
});

test('a mistyped command or option exits 2 with one line that says what was meant', () => {
  const cases: [string[], RegExp][] = [
    [['helth'], /unknown command "helth"; did you mean health\?/],
    [['stats', '--jsn'], /unknown option --jsn for stats; did you mean --json\?/],
    [['--prot', '1'], /unknown option --prot for serve \(/],
    [
      ['--max-retries', '1'],
      /unknown option --max-retries for serve; set the variable MAX_RETRIES \(/,
    ],
    [['health', '--url'], /--url needs a value/],
    [['health', '--json=1'], /--json takes no value/],
    [['serve', 'now'], /unexpected argument "now" for serve/],
    [['completion', 'tcsh'], /completion needs a shell: bash, zsh or fish, got "tcsh"/],
    [['why'], /why needs a request ID/],
    [['help', 'nothing'], /unknown command "nothing"/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = gptLoad(args);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, message);
    assert.match(stderr, /^gpt-load: [^\n]*\n$/);
  }
});

test('a start with bad values exits 1 with one line for each problem, whatever the command', () => {
  const env = { PORT: 'http', MAX_RETRIES: '-1', ALLOW_CREDENTIALS: 'true' };
  for (const args of [[], ['serve'], ['check-config'], ['health']]) {
    const { code, stdout, stderr } = gptLoad(args, env);
    assert.deepEqual([code, stdout], [1, '']);
    const missing = 'KEYS_FILE: must be a readable file, got "keys.txt" (ENOENT)';
    assert.deepEqual(stderr.split('\n'), [
      'PORT: must be an integer from 0 to 65535, got "http"',
      'MAX_RETRIES: must be an integer from 0 to 100, got "-1"',
      'ALLOW_CREDENTIALS: must be false while ALLOWED_ORIGINS is *, got "true"',
      ...(args[0] === 'health' ? [] : [missing]),
      '',
    ]);
  }
});

test('check-config shows what is in force: .env under the real environment, secrets hidden', () => {
  const env = '\ufeffexport PORT=4000 # mine\r\nMAX_RETRIES="7"\r\nAUTH_KEY=hunter2hunter2\r\n';
  const cwd = place({ '.env': env, 'keys.txt': 'sk-x\n' });
  const { code, stdout, stderr } = gptLoad(['check-config'], { MAX_RETRIES: '9' }, cwd);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^PORT=4000 {2}# environment; default: 3000$/m);
  assert.match(stdout, /^MAX_RETRIES=9 {2}# environment; default: 3$/m);
  assert.match(stdout, /^AUTH_KEY=\*{4} /m);
  assert.match(stdout, /^HOST=0\.0\.0\.0 {2}# default$/m);
  assert.equal(stdout.includes('hunter2'), false);
});

test('check-config prints JSON for programs, and fails when a named file cannot be read', () => {
  const { code, stdout, stderr } = gptLoad(['check-config', '--json'], { EXTRA_CA_FILE: 'no.pem' });
  assert.equal(code, 1);
  assert.equal(JSON.parse(stdout).PORT, 3000);
  assert.equal(stderr, '');
  assert.deepEqual(JSON.parse(stdout).problems, [
    'KEYS_FILE: must be a readable file, got "keys.txt" (ENOENT)',
    'EXTRA_CA_FILE: must be a readable file, got "no.pem" (ENOENT)',
  ]);
  // An address for documentation (RFC 5737): no machine has it.
  const elsewhere = gptLoad(['check-config', '--json'], { HOST: '192.0.2.1' });
  assert.match(JSON.parse(elsewhere.stdout).problems[0], /^HOST: .* got "192\.0\.2\.1" \(EADDR/);
  const bad = gptLoad(['check-config', '--json'], { PORT: 'x' });
  assert.deepEqual([bad.code, bad.stderr], [1, '']);
  assert.match(JSON.parse(bad.stdout).problems[0], /^PORT: must be/);
});

test('what check-config prints is a .env file that means the same', () => {
  const given = { ALLOWED_METHODS: 'GET, POST', WORKERS: '3', KEYS_FILE: "it's #1.txt" };
  const cwd = place({ "it's #1.txt": 'sk-x\n' });
  const printed = gptLoad(['check-config'], given, cwd).stdout;
  writeFileSync(join(cwd, '.env'), printed);
  const [first, again] = [given, {}].map((env) => gptLoad(['check-config', '--json'], env, cwd));
  assert.equal(again?.code, 0);
  // Where a value comes from is another matter.
  const values = [first, again].map((run) => {
    const { groups: _, from_environment: __, ...variables } = JSON.parse(run?.stdout ?? '');
    return variables;
  });
  assert.deepEqual(values[1], values[0]);
});

test('--env-file is read instead of .env, wherever it stands', () => {
  const cwd = place({ '.env': 'PORT=1\n', other: 'PORT=2\n', 'keys.txt': '' });
  for (const args of [
    ['--env-file', 'other', 'check-config'],
    ['check-config', '--env-file=other'],
  ]) {
    assert.match(gptLoad(args, {}, cwd).stdout, /^PORT=2 /m);
  }
});

test('an --env-file that is not there stops the start and is named', () => {
  for (const args of [
    ['check-config', '--env-file', 'nowhere'],
    ['--env-file=nowhere', 'check-config'],
  ]) {
    const { code, stdout, stderr } = gptLoad(args);
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(stderr, '--env-file: must be a readable file, got "nowhere" (ENOENT)\n');
  }
});

test('a misspelt variable in .env is told, and other programs variables are not', () => {
  const cwd = place({ '.env': 'MAX_RETRY=5\nDATABASE_URL=x\n', 'keys.txt': 'sk-one\n' });
  const { code, stderr } = gptLoad(['check-config'], {}, cwd);
  assert.equal(code, 0);
  assert.match(stderr, /^[^\n]*unknown variable MAX_RETRY; did you mean MAX_RETRIES\?\n$/);
});
