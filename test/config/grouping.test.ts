// gpt-load.toml as groups and clients: what is left out is the environment's, and everything that
// is wrong is told at once, with its line and column.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Env, parseConfig } from '../../src/config/config.ts';
import { type Grouping, readGrouping } from '../../src/config/grouping.ts';
import { shownGrouping } from '../../src/config/grouping-view.ts';
import { ConfigError } from '../../src/errors.ts';

const EXAMPLE = join(import.meta.dirname, '../../gpt-load.example.toml');
const SECRET = 'the-key-of-a-client';

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-grouping-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function read(t: TestContext, text: string, env: Env = {}): Promise<Grouping> {
  const directory = directoryFor(t);
  writeFileSync(join(directory, 'gpt-load.toml'), text);
  const all = {
    KEYS_FILE: join(directory, 'keys.txt'),
    CONFIG_FILE: join(directory, 'gpt-load.toml'),
    ...env,
  };
  return readGrouping(parseConfig(all), all);
}

/** The problems of a file, without its directory. */
async function problemsOf(t: TestContext, text: string, env: Env = {}): Promise<string[]> {
  try {
    await read(t, text, env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map((problem) => problem.replace(/^\S*\/gpt-load/, 'gpt-load'));
  }
  throw new Error('no problem was found');
}

const group = (name: string, more = '') =>
  `[group.${name}]\nbase_url = "https://${name}.test"\nkeys_file = "${name}.txt"\n${more}\n`;

test('the example is a good file', async (t) => {
  const directory = directoryFor(t);
  copyFileSync(EXAMPLE, join(directory, 'gpt-load.toml'));
  const env = { CONFIG_FILE: join(directory, 'gpt-load.toml'), CI_KEY: SECRET };
  const { groups, clients } = await readGrouping(parseConfig(env), env);
  const names = groups.map(({ name }) => name).filter((name) => name !== 'default');
  assert.deepEqual(names, ['openai', 'claude', 'gemini', 'openrouter']);
  assert.deepEqual(
    clients.map(({ name }) => name),
    ['ci', 'alice'],
  );
});

test('without a file there is the group of the environment, and AUTH_KEY’s client', async (t) => {
  const directory = directoryFor(t);
  const env = { KEYS_FILE: join(directory, 'keys.txt'), AUTH_KEY: SECRET };
  const config = parseConfig(env);
  const grouping = await readGrouping(config, env);
  assert.equal(grouping.file, undefined);
  assert.deepEqual(
    grouping.groups.map(({ name }) => name),
    ['default'],
  );
  assert.deepEqual(
    grouping.clients.map(({ name }) => name),
    ['default'],
  );
  const asked = parseConfig({ ...env, CONFIG_FILE: 'none.toml' });
  await assert.rejects(readGrouping(asked, env), /CONFIG_FILE: must be a readable file/);
});

test('a group has its own settings, and the variables’ values for what it leaves out', async (t) => {
  const text = group('one', 'max_retries = 7\nkey_cooldown = 1.5\nmodels = ["gpt-*"]');
  const { groups } = await read(t, text, { REQUEST_TIMEOUT: '9', MAX_RETRIES: '2' });
  const [one, standard] = groups;
  assert.equal(one?.settings.maxRetries, 7);
  assert.equal(one?.settings.keyCooldownMs, 1500);
  assert.equal(one?.settings.requestTimeoutMs, 9000);
  assert.deepEqual(one?.settings.upstreams, ['https://one.test']);
  assert.match(one?.settings.keysFile ?? '', /^\/.*\/one\.txt$/);
  assert.equal(standard?.name, 'default');
  assert.equal(standard?.settings.maxRetries, 2);
  const origin = (name: string) => one?.origins[name] ?? 'default';
  assert.equal(origin('max_retries'), 'file');
  assert.equal(origin('request_timeout'), 'environment');
  assert.equal(origin('response_timeout'), 'default');
});

test('without keys of its own the environment’s group is left out', async (t) => {
  const directory = directoryFor(t);
  const configFile = join(directory, 'gpt-load.toml');
  writeFileSync(configFile, group('one'));
  const namesOf = async (env: Env) => {
    const { groups } = await readGrouping({ ...parseConfig(env), configFile }, env);
    return groups.map(({ name }) => name);
  };
  assert.deepEqual(await namesOf({}), ['one']);
  // A key file that is named is wanted, and missed if it is not there.
  assert.deepEqual(await namesOf({ KEYS_FILE: join(directory, 'mine.txt') }), ['one', 'default']);
});

test('every problem is told at once, with its place, its rule and the value', async (t) => {
  const text = [
    group('one', 'max_retires = 3\nmax_retries = "many"\nfallback = ["two", "thre", "one"]'),
    group('two', 'models = ["a*b*c*d*e*f*g*h*i*j"]\nset_headers = { Host = "x", "X-A" = "b\\nc" }'),
    '[group."Big One"]\nkeys_file = 5',
    '[group.three]\nalias = { "a" = 1 }\nkey_cooldown = 60\nkey_cooldown_max = 5',
    `[client.ci]\nkey = "env:NOT_SET"\ngroups = ["onee"]\nrpm = 0`,
    `[client.a]\nkey = "${SECRET}"\n[client.b]\nkey = "${SECRET}"\ntokens = 5\n[client.c]`,
    '[clients.x]\nkey = "y"',
  ].join('\n');
  const problems = await problemsOf(t, text);
  const places = problems.map((problem) => /^gpt-load\.toml:\d+:\d+: /.exec(problem)?.[0]);
  assert.ok(places.every((place) => place !== undefined));
  const told = problems.map((problem) => problem.replace(/^\S+ /, ''));
  assert.deepEqual(told.slice(0, 4), [
    '[group.Big One]: the name must be 1 to 64 lower-case letters, digits, _ or -, and begin with a letter or digit',
    'clients: unknown table or setting; did you mean client?',
    '[group.one] max_retries: must be an integer from 0 to 100, got "many"',
    '[group.one] max_retires: unknown setting; did you mean max_retries?',
  ]);
  for (const part of [
    /\[group.two\] models: must be a list of models/,
    /\[group.two\] set_headers: must be a table of header fields other than/,
    /\[group.three\]: base_url is missing/,
    /\[group.three\]: keys_file is missing/,
    /\[group.three\] alias: must be a table of models/,
    /\[group.three\] key_cooldown_max: key_cooldown_max must not be less/,
    /\[group.one\] fallback: there is no group "thre"; did you mean three\?/,
    /\[group.one\] fallback: must not name the group itself/,
    /\[client.ci\] key: must be "env:NAME" of a variable that is set/,
    /\[client.ci\] rpm: must be an integer from 1/,
    /\[client.ci\] groups: there is no group "onee"; did you mean one\?/,
    /\[client.b\] tokens: unknown setting/,
    /\[client.b\] key: must differ from that of the client a/,
    /\[client.c\]: key is missing/,
  ]) {
    assert.ok(
      told.some((problem) => part.test(problem)),
      `${part} is missing from\n${told.join('\n')}`,
    );
  }
  assert.doesNotMatch(problems.join('\n'), new RegExp(SECRET));
  assert.equal(problems[2]?.startsWith('gpt-load.toml:5:1: '), true);
});

test('places are right behind comments, long strings, inline tables and dotted keys', async (t) => {
  const text = [
    '# [group.fake]',
    group('one', 'set_headers = { "X-One" = """\\\n  a = 1 [b]""" }'),
    "group.two.base_url = 'https://two.test' # keys_file",
    'group.two."keys_file" = "two.txt"',
    'group.two.max_retries = 1000',
  ];
  // Dotted keys belong to the root, which comes first.
  const problems = await problemsOf(t, [...text.slice(2), ...text.slice(0, 2)].join('\n'));
  assert.deepEqual(problems, [
    'gpt-load.toml:3:1: [group.two] max_retries: must be an integer from 0 to 100, got "1000"',
  ]);
});

test('broken TOML is told by its place, without the line that may hold a key', async (t) => {
  const problems = await problemsOf(t, `${group('one')}[client.a]\nkey = "${SECRET}" oops\n`);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /^gpt-load\.toml:6:\d+: /);
  assert.doesNotMatch(problems[0] ?? '', /the-key/);
});

test('clients’ keys are kept and shown as hashes only, whichever way they are given', async (t) => {
  const digest = createHash('sha256').update('third-key').digest('hex');
  const text = `${group('one')}[client.a]\nkey = "${SECRET}"\n[client.b]\nkey = "env:KEY_B"\n[client.c]\nkey = "sha256:${digest.toUpperCase()}"\ngroups = ["one"]\nrpm = 5\n`;
  const grouping = await read(t, text, { KEY_B: ' second-key ', AUTH_KEY: 'admin-key' });
  const digests = [SECRET, 'second-key', 'third-key'].map((key) => {
    return createHash('sha256').update(key).digest('hex');
  });
  assert.deepEqual(
    grouping.clients.slice(1).map(({ keyDigest }) => keyDigest),
    digests,
  );
  const shown = JSON.stringify(shownGrouping(grouping));
  for (const secret of [SECRET, 'second-key', 'third-key', 'admin-key', ...digests]) {
    assert.ok(!shown.includes(secret));
  }
  assert.match(shown, /\{"name":"c","groups":\["one"\],"rpm":5\}/);
});

test('AUTH_KEY is the client default, and no other may be', async (t) => {
  const text = `${group('one')}[client.default]\nkey = "some-key"\n`;
  assert.match(
    (await problemsOf(t, text, { AUTH_KEY: 'x' })).join(),
    /AUTH_KEY already is this client/,
  );
  const { clients } = await read(t, text);
  assert.deepEqual(
    clients.map(({ name }) => name),
    ['default'],
  );
});

test('headers that look like credentials are shown masked', async (t) => {
  const { file: _, ...grouping } = {
    ...(await read(
      t,
      group('one', 'set_headers = { "X-Secret-Token" = "abc", "X-Org" = "acme" }'),
    )),
  };
  const shown = shownGrouping({ ...grouping, file: 'f' }).groups[0]?.settings.set_headers;
  assert.deepEqual(shown?.value, { 'X-Secret-Token': '****', 'X-Org': 'acme' });
});
