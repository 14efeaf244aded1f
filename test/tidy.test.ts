// Holds the code to its shape: imports go right only, every effect has its one place, files stay
// small. What Biome can hold (function and file length, parameters) is in biome.json.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import { test } from 'node:test';
import { ROOT, readSourceTree, type SourceFileFacts } from './support/source-tree.ts';

const MAX_COLUMNS = 100;
const HEADER_LINES = { least: 1, most: 8 };

/**
 * The rooms from left to right: an import goes to the right, or stays within its room. Rooms in one
 * list stand side by side and may know each other.
 */
const ROOMS: readonly (readonly string[])[] = [
  ['launch.ts', 'main.ts'],
  ['cli'],
  ['serve', 'demo'],
  ['front'],
  ['admin'],
  ['proxy'],
  ['upstream'],
  ['pool'],
  ['store'],
  ['config', 'log'],
  ['policy'],
  ['errors.ts'],
];

/** The place of a file's room in the row; -1: it stands in none. */
function roomOf(path: string): number {
  const [, room = ''] = path.split('/');
  return ROOMS.findIndex((names) => names.includes(room));
}

/** What only some places may do: the uses that show it, and where they may be. */
const EFFECTS: readonly { what: string; uses: readonly string[]; where: RegExp }[] = [
  {
    what: 'environment and argv',
    uses: ['process.env', 'process.argv'],
    where: /^src\/(main|launch)\.ts$/,
  },
  { what: 'console', uses: ['console'], where: /^src\/main\.ts$/ },
  {
    what: 'clock and chance',
    uses: ['Date.now', 'new Date()', 'performance.now', 'Math.random'],
    where: /^src\/(main\.ts$|(cli|serve|demo|front|admin|proxy)\/)/,
  },
  { what: 'atomics', uses: ['Atomics'], where: /^src\/pool\// },
  { what: 'fetch', uses: ['fetch()'], where: /^$/ },
];

/** Values of node:http, node:https and node:http2 that only some files may import. */
const CLIENTS = ['request', 'get', 'connect'];
const SERVERS = ['createServer', 'createSecureServer'];
/** h2-front hands HTTP/2 streams to the HTTP/1.1 server of its own process. */
const CLIENT_FILES = /^src\/(upstream\/|front\/h2-front\.ts$)/;
const SERVER_FILES = /^src\/front\/server[a-z0-9-]*\.ts$/;

const FORBIDDEN_NAMES = /^(utils?|types?|helpers?|common|misc|shared|constants|index)$/;

const tree = readSourceTree();
const src = tree.filter(({ path }) => path.startsWith('src/'));

/** One assertion for all files, so that a failure lists every offender. */
function none(offenders: readonly string[], rule: string): void {
  assert.equal(offenders.length, 0, `${rule}:\n  ${offenders.join('\n  ')}`);
}

test(`imports go right only: ${ROOMS.map((names) => names.join('+')).join(', ')}`, () => {
  const wrong = src.flatMap(({ path, imports }) =>
    imports
      .filter(({ from }) => from.startsWith('.'))
      .flatMap(({ from }) => {
        const target = posix.join(posix.dirname(path), from);
        const right = target.startsWith('src/') && roomOf(target) >= roomOf(path);
        return right && roomOf(path) !== -1 ? [] : [`${path} imports ${from}`];
      }),
  );
  none(wrong, 'these imports point left');
});

test('no two files import each other, however many stand between them', () => {
  none(circles(), 'these imports go round in a circle');
});

/** Each circle of imports once, as the files that make it; types are no exception. */
function circles(): string[] {
  const importsOf = new Map(
    src.map(({ path, imports }) => [
      path,
      imports
        .filter(({ from }) => from.startsWith('.'))
        .map(({ from }) => posix.join(posix.dirname(path), from)),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start !== -1) found.push([...way.slice(start), path].join(' -> '));
    if (start !== -1 || done.has(path)) return;
    for (const target of importsOf.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  for (const { path } of src) visit(path, []);
  return found;
}

/** What is compiled in, each in its one place, which is loaded where it is needed. */
const COMPILED_IN: Readonly<Record<string, string>> = {
  'smol-toml': 'src/config/toml-file.ts',
  '@redis/client': 'src/store/valkey/redis-client.ts',
};

test('src imports nothing but node: builtins, itself and what may be compiled in', () => {
  const foreign = src.flatMap(({ path, imports }) =>
    imports
      .filter(({ from }) => !/^(node:|\.{1,2}\/.*\.ts$)/.test(from))
      .filter(({ from }) => COMPILED_IN[from] !== path)
      .map(({ from }) => `${path}: ${from}`),
  );
  none(foreign, 'these imports are neither node: builtins nor .ts files');
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert.deepEqual(manifest.dependencies, {});
});

test('policy imports no builtin and touches no global that has effects', () => {
  const effects = [
    'process',
    'console',
    'performance',
    'crypto',
    'setTimeout()',
    'setInterval()',
    'setImmediate()',
    'queueMicrotask()',
    'fetch()',
  ];
  const impure = src
    .filter(({ path }) => path.startsWith('src/policy/'))
    .flatMap(({ path, imports, uses }) => [
      ...imports
        .filter(({ from }) => from.startsWith('node:'))
        .map(({ from }) => `${path}: ${from}`),
      ...effects.filter((use) => uses.has(use)).map((use) => `${path}: ${use}`),
    ]);
  none(impure, 'policy must stay pure');
});

for (const { what, uses, where } of EFFECTS) {
  test(`${what}: only in ${where.source === '^$' ? 'no file' : where.source}`, () => {
    const found = src
      .filter(({ path }) => !where.test(path))
      .flatMap((file) =>
        uses.filter((use) => file.uses.has(use)).map((use) => `${file.path}: ${use}`),
      );
    none(found, `${what} outside its place`);
  });
}

test('HTTP clients are made in upstream/, HTTP servers in front/server', () => {
  const http = src.flatMap(({ path, imports }) =>
    imports
      .filter(({ from }) => /^node:(http|https|http2)$/.test(from))
      .flatMap(({ values }) => [
        ...values
          .filter((name) => CLIENTS.includes(name) && !CLIENT_FILES.test(path))
          .map((name) => `${path}: ${name}`),
        ...values
          .filter((name) => SERVERS.includes(name) && !SERVER_FILES.test(path))
          .map((name) => `${path}: ${name}`),
      ]),
  );
  const dotted = src.flatMap(({ path, uses }) =>
    ['http', 'https', 'http2'].flatMap((module) => [
      ...CLIENTS.filter((name) => uses.has(`${module}.${name}`) && !CLIENT_FILES.test(path)).map(
        (name) => `${path}: ${module}.${name}`,
      ),
      ...SERVERS.filter((name) => uses.has(`${module}.${name}`) && !SERVER_FILES.test(path)).map(
        (name) => `${path}: ${module}.${name}`,
      ),
    ]),
  );
  none([...http, ...dotted], 'clients and servers outside their places');
});

test('no barrels, no files named for what they are not about, names in kebab-case', () => {
  none(
    src.filter(({ imports }) => imports.some(({ reexport }) => reexport)).map(({ path }) => path),
    'these files re-export others',
  );
  const names = tree.map(({ path }) => ({
    path,
    name: basename(path).replace(/(\.test)?\.ts$/, ''),
  }));
  none(
    names
      .filter(({ name }) => FORBIDDEN_NAMES.test(name) || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))
      .map(({ path }) => path),
    'these files need another name',
  );
});

test('each file opens with a few comment lines that say what it decides', () => {
  const wrong = tree.flatMap(({ path, lines }) => {
    const first = lines[0]?.startsWith('#!') ? 1 : 0;
    const length = lines.slice(first).findIndex((line) => !line.startsWith('//'));
    return length >= HEADER_LINES.least && length <= HEADER_LINES.most
      ? []
      : [`${path}: ${length} lines`];
  });
  none(wrong, `a header has ${HEADER_LINES.least} to ${HEADER_LINES.most} lines`);
});

test(`no line is longer than ${MAX_COLUMNS} columns, but for literals that cannot be broken`, () => {
  none(tree.flatMap(tooLong), 'these lines are too long');
});

function tooLong({ path, lines, literalLines }: SourceFileFacts): string[] {
  return lines.flatMap((line, index) => {
    const literal = literalLines.has(index + 1);
    return [...line].length <= MAX_COLUMNS || literal ? [] : [`${path}:${index + 1}`];
  });
}
