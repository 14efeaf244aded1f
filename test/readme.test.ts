// README.md and README_CN.md are one document in two languages, and name what the code has: every
// variable, command, endpoint, error code and make target. Wording is left to people; the tables of
// variables are held by env-example.test.ts.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from '../src/cli/command-table.ts';
import { VARIABLES } from '../src/config/variables.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const english = read('README.md');
const chinese = read('README_CN.md');

/** What must be equal in both languages, read off a Markdown text in order. */
function shapeOf(text: string) {
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
    ([, language, code = '']) => `${language}\n${code.replace(/ *#.*$/gm, '')}`,
  );
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '');
  const lines = prose.split('\n');
  return {
    blocks,
    headings: lines.filter((line) => /^#/.test(line)).map((line) => line.replace(/[^#].*/, '')),
    items: lines.flatMap((line) => /^(?:-|\d+\.) /.exec(line)?.[0] ?? []),
    columns: lines.filter((line) => /^\|/.test(line)).map((line) => line.split('|').length),
    spans: [...new Set(Array.from(prose.matchAll(/`([^`\n]+)`/g), ([, span]) => span))].sort(),
  };
}

test('README.md and README_CN.md have the same headings, lists, tables, code and names', () => {
  assert.deepEqual(shapeOf(chinese), shapeOf(english));
});

/** The first group of every match; at least `least`, or the pattern no longer fits the code. */
function found(text: string, pattern: RegExp, least: number): string[] {
  const names = [...new Set(Array.from(text.matchAll(pattern), ([, name = '']) => name))];
  assert.ok(names.length >= least, `${pattern} found only ${names}`);
  return names;
}

const endpoints = found(read('src/admin/admin.ts'), /'(\/[a-z-]+)',/g, 5);

/** Errors of our own: their `code` stands right after their `type`, which ends in `_error`. */
function errorCodes(): string[] {
  const sources = ['front', 'admin', 'proxy'].flatMap((room) =>
    readdirSync(join(ROOT, 'src', room), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => read(`src/${room}/${file}`)),
  );
  const lines = found(sources.join('\n'), /type: '\w+_error',(?:\s*param: null,)?\s*(.+)/g, 8);
  return found(lines.join('\n'), /'(\w+)'/g, 9);
}

const named: Readonly<Record<string, readonly string[]>> = {
  variables: Object.values(VARIABLES).flatMap(({ name, alias }) => [name, alias ?? []].flat()),
  commands: Object.keys(COMMANDS),
  endpoints,
  'error codes': errorCodes(),
  'make targets': found(read('Makefile'), /^([a-z-]+):.*## /gm, 20),
};

for (const [what, names] of Object.entries(named)) {
  test(`both READMEs name all ${what}`, () => {
    for (const [file, text] of Object.entries({ english, chinese })) {
      const prefix = what === 'make targets' ? 'make ' : '';
      const missing = names.filter((name) => !hasWord(text, prefix + name));
      assert.deepEqual(missing, [], `the ${file} README lacks these ${what}`);
    }
  });
}

test('the tables of error codes and endpoints name nothing that the code lacks', () => {
  const codes = found(english, /^\| [45]\d\d \| `(\w+)` \|/gm, 9);
  assert.deepEqual(codes.sort(), errorCodes().sort());
  const paths = found(english, /^\| `(\/[a-z-]+)` \|/gm, 5);
  assert.deepEqual(paths.sort(), endpoints.toSorted());
});

function hasWord(text: string, word: string): boolean {
  return new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(text);
}
