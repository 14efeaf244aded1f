// The command line as data: every command, its options and what to say about them. main.ts parses
// by it, help.ts prints it. What a command does is its own file.

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What stands for the value in the usage. */
  readonly value?: string;
  readonly about: string;
}

export interface Command {
  readonly summary: string;
  /** The one word that it needs after it. */
  readonly argument?: string;
  readonly options: Readonly<Record<string, Option>>;
}

export const GLOBAL_OPTIONS = {
  'env-file': {
    type: 'string',
    value: 'FILE',
    about: 'Read variables from FILE instead of .env; the real environment wins',
  },
  help: { type: 'boolean', short: 'h', about: 'Show help, of a command where one is given' },
  licenses: { type: 'boolean', about: 'Show the licences of all that is in this file' },
  version: { type: 'boolean', short: 'v', about: 'Show version, commit, platform and Node' },
} as const satisfies Command['options'];

const JSON_OPTION: Option = { type: 'boolean', about: 'Print JSON, for programs' };

const CLIENT_OPTIONS = {
  url: {
    type: 'string',
    short: 'u',
    value: 'URL',
    about: 'Ask the instance at URL instead of HOST and PORT',
  },
  json: JSON_OPTION,
} as const;

const REQUESTS_OPTIONS = {
  ...CLIENT_OPTIONS,
  follow: { type: 'boolean', short: 'f', about: 'Go on as requests end, until Ctrl-C' },
  limit: { type: 'string', short: 'n', value: 'N', about: 'At most so many (100)' },
  client: { type: 'string', short: 'c', value: 'NAME', about: 'Only of this client or address' },
  group: { type: 'string', short: 'g', value: 'NAME', about: 'Only of this group' },
  model: { type: 'string', short: 'm', value: 'MODEL', about: 'Only for this model' },
  status: { type: 'string', short: 's', value: 'STATUS', about: 'Only these: 429, or 5xx' },
} as const;

const USAGE_OPTIONS = {
  ...CLIENT_OPTIONS,
  by: { type: 'string', value: 'hour|day', about: 'A row for each hour or day (day)' },
  'group-by': {
    type: 'string',
    value: 'LIST',
    about: 'Of client, group, model, key (client,group,model)',
  },
  since: { type: 'string', value: 'TIME', about: 'A date, or 7d, 12h (7d)' },
  csv: { type: 'boolean', about: 'Comma-separated values, for programs' },
} as const;

const VALIDATE_OPTIONS = {
  file: { type: 'string', short: 'f', value: 'FILE', about: 'Key file (KEYS_FILE)' },
  url: { type: 'string', short: 'u', value: 'URL', about: 'Base URL to ask (OPENAI_BASE_URL)' },
  model: { type: 'string', short: 'm', value: 'MODEL', about: 'Ask this model for one token' },
  group: { type: 'string', short: 'g', value: 'NAME', about: 'Only the keys of this group' },
  concurrency: { type: 'string', short: 'c', value: 'N', about: 'Keys asked at once (50)' },
  timeout: { type: 'string', short: 't', value: 'SECONDS', about: 'Patience with one key (30)' },
  output: { type: 'string', short: 'o', value: 'DIRECTORY', about: 'Where lists are put (.)' },
  prune: { type: 'boolean', about: 'Take dead keys out of the key file, after a backup' },
  json: JSON_OPTION,
} as const;

export const COMMANDS = {
  serve: { summary: 'Start the proxy (the default)', options: {} },
  demo: {
    summary: 'Start it with a built-in provider and demo keys',
    options: {
      groups: {
        type: 'boolean',
        about: 'Two providers, a fallback and two clients instead of one',
      },
    },
  },
  'check-config': {
    summary: 'Check the configuration and show what is in force',
    options: { json: JSON_OPTION },
  },
  'validate-keys': {
    summary: 'Check every key of the key file against its upstream',
    options: VALIDATE_OPTIONS,
  },
  health: { summary: 'Ask a running instance whether it can serve', options: CLIENT_OPTIONS },
  stats: { summary: 'Show its keys, requests and memory', options: CLIENT_OPTIONS },
  blacklist: { summary: 'List its blacklisted and resting keys', options: CLIENT_OPTIONS },
  fleet: { summary: 'Show the instances that share what they learn', options: CLIENT_OPTIONS },
  'reset-keys': {
    summary: 'Give its blacklisted keys another chance; read the key file again',
    options: CLIENT_OPTIONS,
  },
  usage: {
    summary: 'Show what was used: tokens by client, group, model and key',
    options: USAGE_OPTIONS,
  },
  requests: {
    summary: 'List its last requests, or show them as they end',
    options: REQUESTS_OPTIONS,
  },
  why: {
    summary: 'Tell where one of its last requests went, and why',
    argument: 'ID',
    options: CLIENT_OPTIONS,
  },
  'alert-test': { summary: 'Send a test message to ALERT_WEBHOOK_URL', options: {} },
  help: { summary: 'Show this, or the help of a command', options: {} },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;

/** Own names only: `constructor` is no command. */
export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}
