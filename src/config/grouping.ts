// From gpt-load.toml to groups and clients, or to a ConfigError that lists every problem at once.
// A group's setting that the file leaves out is its environment variable's. Without the file there
// is one group, the environment's, and no client but AUTH_KEY's.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import { type Config, type Env, fromEnvironment } from './config.ts';
import {
  DEFAULT_GROUP,
  GROUP_FIELDS,
  type GroupField,
  type GroupSettings,
  groupOfEnvironment,
} from './group-settings.ts';
import { nearest } from './nearest.ts';
import { quote } from './quote.ts';
import * as rule from './rules.ts';
import type { TomlFile, TomlTable } from './toml-file.ts';
import * as toml from './toml-rules.ts';
import { VARIABLES } from './variables.ts';

/** Where a value comes from. */
export type Origin = 'file' | 'environment' | 'default';

export interface GroupConfig {
  readonly name: string;
  readonly settings: GroupSettings;
  /** By the settings' names in the file; what is not named has its default. */
  readonly origins: Readonly<Record<string, Origin>>;
}

/** Somebody who may send requests. 0: no limit. */
export interface ClientConfig {
  readonly name: string;
  /** SHA-256 of its key, in hexadecimal digits. */
  readonly keyDigest: string;
  /** undefined: all. */
  readonly groups: readonly string[] | undefined;
  readonly models: readonly string[] | undefined;
  readonly rpm: number;
  readonly concurrency: number;
  readonly tokensPerDay: number;
}

/** Who is served with which keys. Plain and clonable. */
export interface Grouping {
  /** The file that was read; undefined: there is none, and requests have no prefix. */
  readonly file: string | undefined;
  /** In the order in which a model looks for its group. */
  readonly groups: readonly GroupConfig[];
  /** AUTH_KEY's client, `default`, first. */
  readonly clients: readonly ClientConfig[];
  /** Names of the variables that the environment sets. */
  readonly fromEnvironment: readonly string[];
}

const GROUP_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const NAME_TEXT = '1 to 64 lower-case letters, digits, _ or -, and begin with a letter or digit';

/**
 * Reads CONFIG_FILE, where there is one.
 * @throws ConfigError naming every problem with its place
 */
export async function readGrouping(config: Config, env: Env): Promise<Grouping> {
  const path = config.configFile;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isAsked = path !== VARIABLES.configFile.default;
    if (code === 'ENOENT' && !isAsked) return withoutFile(config, env);
    throw new ConfigError([`CONFIG_FILE: must be a readable file, got "${path}" (${code})`]);
  }
  const { TomlFile } = await import('./toml-file.ts');
  let file: TomlFile;
  try {
    file = new TomlFile(path, text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ConfigError([error.message]);
  }
  return groupingOf(file, config, env);
}

/** One group, and AUTH_KEY's client if there is one. */
export function withoutFile(config: Config, env: Env = {}): Grouping {
  return {
    file: undefined,
    groups: [environmentGroup(config, env)],
    clients: authClient(config),
    fromEnvironment: fromEnvironment(env),
  };
}

function environmentGroup(config: Config, env: Env): GroupConfig {
  const settings = groupOfEnvironment(config);
  return { name: DEFAULT_GROUP, settings, origins: originsOf([], env) };
}

function originsOf(inFile: readonly string[], env: Env): Record<string, Origin> {
  const set = fromEnvironment(env);
  const origins: Record<string, Origin> = {};
  for (const field of GROUP_FIELDS) {
    if (set.includes(VARIABLES[field].name)) origins[settingName(field)] = 'environment';
  }
  for (const name of inFile) origins[name] = 'file';
  return origins;
}

/** A group's name for one of the fields that are variables too. */
export function settingName(field: GroupField): string {
  return field === 'upstreams' ? 'base_url' : VARIABLES[field].name.toLowerCase();
}

function groupingOf(file: TomlFile, config: Config, env: Env): Grouping {
  const groupTables = file.tablesIn('group', GROUP_NAME, NAME_TEXT);
  const clientTables = file.tablesIn('client', GROUP_NAME, NAME_TEXT);
  file.refuseOthers(['group', 'client']);
  const groups = groupTables.map((table) => readGroup(table, config, env));
  if (mayHaveDefault(groups, config)) groups.push(environmentGroup(config, env));
  const names = groups.map(({ name }) => name);
  for (const [i, table] of groupTables.entries()) {
    checkNames(table, 'fallback', groups[i]?.settings.fallback ?? [], names);
    if (groups[i]?.settings.fallback.includes(table.name)) {
      table.problem('fallback', 'must not name the group itself');
    }
  }
  const clients = authClient(config);
  for (const table of clientTables) {
    const client = readClient(table, env);
    checkNames(table, 'groups', client.groups ?? [], names);
    const same = clients.find(({ keyDigest }) => keyDigest === client.keyDigest);
    if (same !== undefined && client.keyDigest !== '') {
      table.problem('key', `must differ from that of the client ${same.name}`);
    }
    if (client.name === DEFAULT_GROUP && config.authKey !== '') {
      table.problem('', 'AUTH_KEY already is this client; remove one of the two');
    }
    clients.push(client);
  }
  if (groups.length === 0) file.problem(['group'], 'at least one [group.NAME] is required');
  if (file.problems.length > 0) throw new ConfigError(file.problems);
  return { file: file.name, groups, clients, fromEnvironment: fromEnvironment(env) };
}

/** The environment's group stands beside those of the file where it has keys of its own. */
function mayHaveDefault(groups: readonly GroupConfig[], config: Config): boolean {
  if (groups.some(({ name }) => name === DEFAULT_GROUP)) return false;
  return config.keysFile !== VARIABLES.keysFile.default || existsSync(config.keysFile);
}

function readGroup(table: TomlTable, config: Config, env: Env): GroupConfig {
  const settings = { ...groupOfEnvironment(config), ...readVariables(table, config) };
  const directory = dirname(resolve(config.configFile));
  const keysFile = table.take('keys_file', toml.text(rule.path));
  const upstreams = table.take('base_url', toml.list(rule.baseUrls));
  if (table.name !== DEFAULT_GROUP) {
    // Another provider's keys must not go to OpenAI because of a line that was forgotten.
    if (!table.has('base_url')) table.problem('', 'base_url is missing');
    if (!table.has('keys_file')) table.problem('', 'keys_file is missing');
  }
  const setHeaders = table.take('set_headers', toml.headers) ?? [];
  const set = setHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  const removed = table.take('remove_headers', toml.headerNames) ?? [];
  const group = {
    ...settings,
    ...(keysFile === undefined ? {} : { keysFile: resolve(directory, keysFile) }),
    ...(upstreams === undefined ? {} : { upstreams }),
    models: table.take('models', toml.patterns) ?? [],
    fallback: table.take('fallback', toml.names) ?? [],
    alias: table.take('alias', toml.aliases) ?? new Map<string, string>(),
    setHeaders,
    removeHeaders: [...new Set([...set, ...removed])],
  };
  if (group.keyCooldownMaxMs < group.keyCooldownMs) {
    const at = table.has('key_cooldown_max') ? 'key_cooldown_max' : 'key_cooldown';
    table.problem(at, 'key_cooldown_max must not be less than key_cooldown');
  }
  table.refuseOthers();
  return { name: table.name, settings: group, origins: originsOf(table.names, env) };
}

/** What a group sets of the variables that it may set for itself. */
function readVariables(table: TomlTable, config: Config): Partial<Pick<Config, GroupField>> {
  const own: Record<string, unknown> = {};
  for (const field of GROUP_FIELDS) {
    if (field === 'keysFile' || field === 'upstreams') continue;
    const value = table.take<unknown>(
      settingName(field),
      toml.scalar(VARIABLES[field].rule as rule.Rule<unknown>),
    );
    own[field] = value ?? config[field];
  }
  return own;
}

function readClient(table: TomlTable, env: Env): ClientConfig {
  const key = table.take('key', toml.clientKey(env), true);
  if (!table.has('key')) table.problem('', 'key is missing');
  const client = {
    name: table.name,
    keyDigest: key === undefined ? '' : (key.digest ?? digestOf(key.text)),
    groups: table.take('groups', toml.names),
    models: table.take('models', toml.patterns),
    rpm: table.take('rpm', toml.scalar(rule.integer(1, 1e9))) ?? 0,
    concurrency: table.take('concurrency', toml.scalar(rule.integer(1, 1e6))) ?? 0,
    tokensPerDay: table.take('tokens_per_day', toml.scalar(rule.integer(1, 1e14))) ?? 0,
  };
  table.refuseOthers();
  return client;
}

function authClient({ authKey }: Config): ClientConfig[] {
  if (authKey === '') return [];
  const limits = { rpm: 0, concurrency: 0, tokensPerDay: 0 };
  const keyDigest = digestOf(authKey);
  return [{ name: DEFAULT_GROUP, keyDigest, groups: undefined, models: undefined, ...limits }];
}

function checkNames(
  table: TomlTable,
  key: string,
  given: readonly string[],
  known: readonly string[],
): void {
  for (const name of given) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    table.problem(key, `there is no group ${quote(name)}${hint}`);
  }
}

function digestOf(key: string): string {
  // Loaded where there are clients only: it costs a start some 10 ms.
  return process.getBuiltinModule('node:crypto').hash('sha256', key);
}
