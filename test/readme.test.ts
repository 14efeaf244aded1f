// README.md and the pages of docs/ are one set of documents in two languages: their shapes are
// equal, their links lead somewhere, and together they name what the code has: every variable,
// command, endpoint, error code and make target. Wording is left to people; recipes are run by
// readme-recipes.test.ts; the tables of variables are held by env-example.test.ts.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { metricNames } from '../src/admin/metric-names.ts';
import { COMMANDS } from '../src/cli/command-table.ts';
import { VARIABLES } from '../src/config/variables.ts';

const ROOT = join(import.meta.dirname, '..');
/** A newcomer reads it in five minutes; what is longer belongs into docs/. */
const MAX_README_LINES = 250;
/** Written by `make faults`, in one language. */
const GENERATED = 'docs/RELIABILITY.md';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const chineseOf = (english: string): string => english.replace(/\.md$/, '_CN.md');

const files = ['README.md', 'README_CN.md'].concat(
  readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
);
const englishFiles = files.filter((file) => !file.endsWith('_CN.md') && file !== GENERATED);
const english = englishFiles.map(read).join('\n');
const chinese = englishFiles.map((file) => read(chineseOf(file))).join('\n');

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '');

/** What must be equal in both languages, read off a Markdown text in order. */
function shapeOf(text: string) {
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
    ([, language, code = '']) => `${language}\n${code.replace(/ *#.*$/gm, '')}`,
  );
  const prose = withoutCode(text);
  const lines = prose.split('\n');
  const spans = Array.from(prose.matchAll(/`([^`\n]+)`/g), ([, span = '']) =>
    span.replace('_CN.md', '.md'),
  );
  return {
    blocks,
    headings: lines.filter((line) => /^#/.test(line)).map((line) => line.replace(/[^#].*/, '')),
    items: lines.flatMap((line) => /^(?:-|\d+\.) /.exec(line)?.[0] ?? []),
    columns: lines.filter((line) => /^\|/.test(line)).map((line) => line.split('|').length),
    spans: [...new Set(spans)].sort(),
  };
}

test('every page is there in both languages', () => {
  const chineseFiles = files.filter((file) => file.endsWith('_CN.md'));
  assert.deepEqual(chineseFiles.toSorted(), englishFiles.map(chineseOf).toSorted());
  assert.ok(englishFiles.length >= 7, englishFiles.join(' '));
});

for (const file of englishFiles) {
  test(`${file} and ${chineseOf(file)} have the same headings, lists, tables, code and names`, () => {
    assert.deepEqual(shapeOf(read(chineseOf(file))), shapeOf(read(file)));
  });
}

test(`the READMEs have at most ${MAX_README_LINES} lines`, () => {
  for (const file of ['README.md', 'README_CN.md']) {
    const { length } = read(file).split('\n');
    assert.ok(length <= MAX_README_LINES, `${file} has ${length}: move something to docs/`);
  }
});

/** The anchors that GitHub makes of a page's headings. */
function anchorsOf(text: string): string[] {
  return Array.from(withoutCode(text).matchAll(/^#+ (.+)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

for (const file of files.concat('SECURITY.md', 'deploy/README.md')) {
  test(`the links of ${file} lead somewhere`, () => {
    const links = [...withoutCode(read(file)).matchAll(/\]\(([^)\s]+)\)/g)];
    const dead = links.map(([, target = '']) => target).filter((target) => !leads(file, target));
    assert.deepEqual(dead, []);
  });
}

/** Into the web they are not followed. A page links to pages of its own language where it can. */
function leads(from: string, target: string): boolean {
  if (/^https?:/.test(target)) return true;
  const [path = '', anchor] = target.split('#', 2);
  const file = path === '' ? from : join(dirname(from), path);
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || anchorsOf(read(file)).includes(anchor);
}

test('Chinese pages link to Chinese pages', () => {
  for (const file of englishFiles.map(chineseOf)) {
    const prose = withoutCode(read(file)).replace(/\[English\]\([^)]+\)/g, '');
    const links = Array.from(prose.matchAll(/\]\(([^)#\s]+)/g), ([, target = '']) =>
      join(dirname(file), target),
    );
    assert.deepEqual(
      links.filter((target) => englishFiles.includes(target)),
      [],
      file,
    );
  }
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
  'lists of validate-keys': found(
    read('src/cli/validate/validate-lists.ts'),
    /'(\w+_keys\.txt)'/g,
    5,
  ),
};

for (const [what, names] of Object.entries(named)) {
  test(`the documents of both languages name all ${what}`, () => {
    for (const [language, text] of Object.entries({ english, chinese })) {
      const prefix = what === 'make targets' ? 'make ' : '';
      const missing = names.filter((name) => !hasWord(text, prefix + name));
      assert.deepEqual(missing, [], `the ${language} documents lack these ${what}`);
    }
  });
}

test('they name no make target, command or metric that does not exist', () => {
  const targets = new Set(named['make targets']);
  const commands = new Set(named.commands);
  const code = [...english.matchAll(/`([^`\n]+)`|^```(?:sh|text)\n([\s\S]*?)^```$/gm)]
    .map(([, span = '', block = '']) => span + block)
    .join('\n');
  const made = found(code, /(?<![\w-])make ([a-z][a-z-]*)/g, 20);
  assert.deepEqual(
    made.filter((name) => !targets.has(name)),
    [],
  );
  const called = found(code, /(?<![\w/.-])gpt-load ([a-z][a-z-]*)(?= |$|`)/gm, 10);
  assert.deepEqual(
    called.filter((name) => !commands.has(name)),
    [],
  );
  const metrics = new Set(metricNames());
  const measured = found(english, /(gpt_load_\w*\w)(?<!gpt_load_)/g, 2);
  assert.deepEqual(
    measured.filter((name) => !metrics.has(name)),
    [],
  );
});

test('the tables of error codes and endpoints name nothing that the code lacks', () => {
  const codes = found(english, /^\| [45]\d\d \| `(\w+)` \|/gm, 9);
  assert.deepEqual(codes.sort(), errorCodes().sort());
  const paths = found(english, /^\| `(\/[a-z-]+)` \|/gm, 5);
  assert.deepEqual(paths.sort(), endpoints.toSorted());
});

test('examples of `why` explain in the words of the program', () => {
  const said = found(english + chinese, /^ {3}(\S.+) \[rule \w+\]$/gm, 3);
  const program = read('src/policy/reason.ts') + read('src/cli/trail-views.ts');
  assert.deepEqual(
    said.filter((sentence) => !program.includes(sentence)),
    [],
  );
});

function hasWord(text: string, word: string): boolean {
  return new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(text);
}
