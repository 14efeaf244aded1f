// The command line as data: every command, its options, its exit codes and what to say about them.
// command-line.ts parses with it; help.ts, manual.ts and completion.ts print it. What a command
// does is in its own file.

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What stands for the value in the usage. */
  readonly value?: string;
  /** What the value names, for completion in a shell. */
  readonly names?: 'file' | 'directory';
  readonly about: string;
}

/** Exit codes and what each of them says. */
export type Exits = Readonly<Record<number, string>>;

export interface Command {
  readonly summary: string;
  /** The one word that it takes after it. */
  readonly argument?: Argument;
  readonly options: Readonly<Record<string, Option>>;
  readonly exits: Exits;
}

export interface Argument {
  /** What stands for it in the usage. */
  readonly name: string;
  /** What to say when it is not there; undefined: it need not be. */
  readonly missing?: string;
  /** Undefined: any word is taken. */
  readonly choices?: readonly string[];
}

export const GLOBAL_OPTIONS = {
  'env-file': {
    type: 'string',
    value: 'FILE',
    names: 'file',
    about: 'Read variables from FILE instead of .env; the environment takes precedence',
  },
  help: { type: 'boolean', short: 'h', about: 'Show this help, or the help of a command' },
  licenses: { type: 'boolean', about: 'Show the licences of everything bundled' },
  version: { type: 'boolean', short: 'v', about: 'Show version, commit, platform and Node' },
} as const satisfies Command['options'];

/** Of every command, unless it says something else. */
export const GLOBAL_EXITS = {
  0: 'success',
  1: 'invalid configuration, or a file that cannot be read; one line per problem',
  2: 'invalid command line',
} as const satisfies Exits;

const STARTED: Exits = {
  ...GLOBAL_EXITS,
  0: 'stopped by SIGINT or SIGTERM, after running requests finished',
  1: 'could not start: invalid configuration, an unreadable file, or a port in use',
};
const ASKED: Exits = {
  ...GLOBAL_EXITS,
  0: 'the instance answered',
  2: 'the instance could not be reached, or invalid command line',
};
/** These read no configuration. */
const PRINTED: Exits = { 0: 'success', 2: GLOBAL_EXITS[2] };

/** What `completion` knows. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const JSON_OPTION: Option = { type: 'boolean', about: 'Print JSON' };

const CLIENT_OPTIONS = {
  url: {
    type: 'string',
    short: 'u',
    value: 'URL',
    about: 'URL of the instance (default: from HOST and PORT)',
  },
  json: JSON_OPTION,
} as const;

const REQUESTS_OPTIONS = {
  ...CLIENT_OPTIONS,
  follow: {
    type: 'boolean',
    short: 'f',
    about: 'Keep printing requests as they finish, until Ctrl-C',
  },
  limit: {
    type: 'string',
    short: 'n',
    value: 'N',
    about: 'List at most N requests (default: 100)',
  },
  client: {
    type: 'string',
    short: 'c',
    value: 'NAME',
    about: 'Only requests from this client or address',
  },
  group: { type: 'string', short: 'g', value: 'NAME', about: 'Only requests to this group' },
  model: { type: 'string', short: 'm', value: 'MODEL', about: 'Only requests for this model' },
  status: {
    type: 'string',
    short: 's',
    value: 'STATUS',
    about: 'Only this status, such as 429 or 5xx',
  },
} as const;

const TOP_OPTIONS = {
  url: CLIENT_OPTIONS.url,
  count: { type: 'string', short: 'n', value: 'N', about: 'Exit after N refreshes' },
} as const;

const USAGE_OPTIONS = {
  ...CLIENT_OPTIONS,
  by: { type: 'string', value: 'hour|day', about: 'One row per hour or per day (default: day)' },
  'group-by': {
    type: 'string',
    value: 'LIST',
    about: 'Any of client, group, model, key (default: client,group,model)',
  },
  since: {
    type: 'string',
    value: 'TIME',
    about: 'A date, or a time span such as 12h (default: 7d)',
  },
  instance: {
    type: 'string',
    value: 'NAME',
    about: 'Only this instance of the fleet (default: all)',
  },
  csv: { type: 'boolean', about: 'Print comma-separated values' },
} as const;

const VALIDATE_OPTIONS = {
  file: {
    type: 'string',
    short: 'f',
    value: 'FILE',
    names: 'file',
    about: 'Key file (default: KEYS_FILE)',
  },
  url: { type: 'string', short: 'u', value: 'URL', about: 'Base URL (default: OPENAI_BASE_URL)' },
  model: { type: 'string', short: 'm', value: 'MODEL', about: 'Also request one token from MODEL' },
  group: { type: 'string', short: 'g', value: 'NAME', about: 'Check only the keys of this group' },
  concurrency: {
    type: 'string',
    short: 'c',
    value: 'N',
    about: 'Keys checked at once (default: 50)',
  },
  timeout: {
    type: 'string',
    short: 't',
    value: 'SECONDS',
    about: 'Time limit per key (default: 30)',
  },
  output: {
    type: 'string',
    short: 'o',
    value: 'DIRECTORY',
    names: 'directory',
    about: 'Directory for the key lists (default: .)',
  },
  prune: { type: 'boolean', about: 'Remove dead keys from the key file, after a backup' },
  json: JSON_OPTION,
} as const;

export const COMMANDS = {
  serve: { summary: 'Start the proxy (the default)', options: {}, exits: STARTED },
  demo: {
    summary: 'Start the proxy with a built-in mock provider and demo keys',
    options: {
      groups: {
        type: 'boolean',
        about: 'Use two mock providers, a fallback group and two clients',
      },
    },
    exits: STARTED,
  },
  'check-config': {
    summary: 'Check the configuration and show the effective values',
    options: { json: JSON_OPTION },
    exits: { ...GLOBAL_EXITS, 0: 'the configuration is valid' },
  },
  'validate-keys': {
    summary: 'Check every key in the key file against its upstream',
    options: VALIDATE_OPTIONS,
    exits: {
      0: 'every key works, resting keys included',
      1: 'some keys are dead or lack access, or the configuration is invalid',
      2: 'some keys could not be checked, or an option or file is invalid',
    },
  },
  health: {
    summary: 'Check whether a running instance is healthy',
    options: CLIENT_OPTIONS,
    exits: {
      ...ASKED,
      0: 'healthy',
      1: 'unhealthy: no usable key; or invalid configuration',
    },
  },
  stats: {
    summary: 'Show keys, requests and memory of a running instance',
    options: CLIENT_OPTIONS,
    exits: ASKED,
  },
  top: {
    summary: 'Watch requests, latency, groups and recent errors live',
    options: TOP_OPTIONS,
    exits: { ...ASKED, 0: 'ended by q, Ctrl-C or --count' },
  },
  blacklist: {
    summary: 'List blacklisted and resting keys',
    options: CLIENT_OPTIONS,
    exits: ASKED,
  },
  fleet: {
    summary: 'Show the instances that share key states',
    options: CLIENT_OPTIONS,
    exits: ASKED,
  },
  'reset-keys': {
    summary: 'Mark every key healthy again and reload the key file',
    options: CLIENT_OPTIONS,
    exits: ASKED,
  },
  usage: {
    summary: 'Show token usage by client, group, model and key',
    options: USAGE_OPTIONS,
    exits: ASKED,
  },
  requests: {
    summary: 'List recent requests, or follow them as they finish',
    options: REQUESTS_OPTIONS,
    exits: ASKED,
  },
  why: {
    summary: 'Explain where a recent request went, and why',
    argument: { name: 'ID', missing: 'a request ID; gpt-load requests lists them' },
    options: CLIENT_OPTIONS,
    exits: { ...ASKED, 1: 'no such recent request; or invalid configuration' },
  },
  'alert-test': {
    summary: 'Send a test message to ALERT_WEBHOOK_URL',
    options: {},
    exits: {
      0: 'the message was delivered',
      1: 'the message was not delivered, or the configuration is invalid',
      2: 'ALERT_WEBHOOK_URL is not set, or invalid command line',
    },
  },
  completion: {
    summary: 'Print the completion script for bash, zsh or fish',
    argument: { name: 'SHELL', missing: 'a shell: bash, zsh or fish', choices: SHELLS },
    options: {},
    exits: PRINTED,
  },
  man: { summary: 'Print the manual page (gpt-load man | man -l -)', options: {}, exits: PRINTED },
  version: {
    summary: 'Show version, commit, platform and Node',
    options: { json: JSON_OPTION },
    exits: PRINTED,
  },
  help: {
    summary: 'Show this help, or the help of a command',
    argument: { name: '[COMMAND]' },
    options: {},
    exits: PRINTED,
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;

/** Own names only: `constructor` is no command. */
export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}
