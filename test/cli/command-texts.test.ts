// What is made of the table of commands besides the help: completions and the manual page, as the
// shells and man themselves take them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { COMMANDS, type Command, SHELLS } from '../../src/cli/command-table.ts';
import { completionScript } from '../../src/cli/completion.ts';
import { helpText } from '../../src/cli/help.ts';
import { manualPage } from '../../src/cli/manual.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { needs } from '../support/peer-process.ts';

const NAMES = Object.keys(COMMANDS) as (keyof typeof COMMANDS)[];

/** What bash offers for the last of these words. */
function completions(...words: string[]): string[] {
  const script = `${completionScript('bash')}
    COMP_WORDS=(gpt-load "$@"); COMP_CWORD=$#; _gpt_load; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script, '-', ...words], { encoding: 'utf8' });
  assert.equal(stderr, '');
  return stdout.split('\n').filter((word) => word !== '');
}

test('bash completes commands, options, their files and their choices', needs('bash'), () => {
  assert.deepEqual(completions('sta'), ['stats']);
  for (const name of NAMES) assert.ok(completions('').includes(name), name);
  assert.deepEqual(completions('stats', '--j'), ['--json']);
  assert.deepEqual(completions('completion', 'f'), ['fish']);
  assert.deepEqual(completions('help', 'validate'), ['validate-keys']);
  assert.ok(completions('validate-keys', '--file', '/etc/pass').includes('/etc/passwd'));
  assert.deepEqual(completions('requests', '--limit', ''), []);
  assert.ok(completions('validate-keys', '--output', '/et').includes('/etc'));
});

test('zsh takes its script', needs('zsh'), () => {
  const { status, stderr } = spawnSync('zsh', ['-n'], { input: completionScript('zsh') });
  assert.deepEqual([status, String(stderr)], [0, '']);
});

test('fish takes its script', needs('fish'), () => {
  const { status, stderr } = spawnSync('fish', ['-n'], { input: completionScript('fish') });
  assert.deepEqual([status, String(stderr)], [0, '']);
});

test('every script names every command and every option', () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell);
    for (const name of NAMES) {
      assert.ok(script.includes(name), `${shell}: ${name}`);
      const { options }: Command = COMMANDS[name];
      for (const option of Object.keys(options)) {
        assert.ok(script.includes(shell === 'fish' ? `-l ${option} ` : `--${option}`), option);
      }
    }
  }
});

test('man takes the manual page without a warning and shows all of it', needs('groff'), () => {
  const { stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-P-cbu', '-rLL=100n'], {
    input: manualPage('1.2.3'),
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  for (const name of NAMES) assert.match(stdout, new RegExp(`gpt.load ${name.replace('-', '.')}`));
  for (const { name } of Object.values(VARIABLES)) assert.ok(stdout.includes(name), name);
  assert.ok(stdout.includes('gpt-load 1.2.3'));
});

test('the help of every command says what its exit codes mean', () => {
  for (const name of NAMES) {
    if (name !== 'help') assert.match(helpText(name), /\nExit codes:\n {2}0 {2}\S/);
  }
  assert.match(helpText(undefined), /\nExit codes/);
});
