// The command line as data: every command, its options, its exit codes and what to say about them.
// command-line.ts parses by it; help.ts, manual.ts and completion.ts print it. What a command does
// is its own file.

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
    about: 'Read variables from FILE instead of .env; the real environment wins',
  },
  help: { type: 'boolean', short: 'h', about: 'Show help, of a command where one is given' },
  licenses: { type: 'boolean', about: 'Show the licences of all that is in this file' },
  version: { type: 'boolean', short: 'v', about: 'Show version, commit, platform and Node' },
} as const satisfies Command['options'];

/** Of every command, unless it says something else. */
export const GLOBAL_EXITS = {
  0: 'all went well',
  1: 'a value or a file of the configuration cannot be used; each problem is one line',
  2: 'the command line is not understood',
} as const satisfies Exits;

const STARTED: Exits = {
  ...GLOBAL_EXITS,
  0: 'stopped by SIGINT or SIGTERM, after running requests had ended',
  1: 'could not start: a value, a file or the port cannot be used',
};
const ASKED: Exits = {
  ...GLOBAL_EXITS,
  0: 'the instance has answered',
  2: 'it could not be asked, or the command line is not understood',
};
/** These read no configuration. */
const PRINTED: Exits = { 0: 'printed', 2: GLOBAL_EXITS[2] };

/** What `completion` knows. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

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

const TOP_OPTIONS = {
  url: CLIENT_OPTIONS.url,
  count: { type: 'string', short: 'n', value: 'N', about: 'End after so many views' },
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
  instance: { type: 'string', value: 'NAME', about: 'Only of this one of the fleet (all)' },
  csv: { type: 'boolean', about: 'Comma-separated values, for programs' },
} as const;

const VALIDATE_OPTIONS = {
  file: { type: 'string', short: 'f', value: 'FILE', names: 'file', about: 'Key file (KEYS_FILE)' },
  url: { type: 'string', short: 'u', value: 'URL', about: 'Base URL to ask (OPENAI_BASE_URL)' },
  model: { type: 'string', short: 'm', value: 'MODEL', about: 'Ask this model for one token' },
  group: { type: 'string', short: 'g', value: 'NAME', about: 'Only the keys of this group' },
  concurrency: { type: 'string', short: 'c', value: 'N', about: 'Keys asked at once (50)' },
  timeout: { type: 'string', short: 't', value: 'SECONDS', about: 'Patience with one key (30)' },
  output: {
    type: 'string',
    short: 'o',
    value: 'DIRECTORY',
    names: 'directory',
    about: 'Where lists are put (.)',
  },
  prune: { type: 'boolean', about: 'Take dead keys out of the key file, after a backup' },
  json: JSON_OPTION,
} as const;

export const COMMANDS = {
  serve: { summary: 'Start the proxy (the default)', options: {}, exits: STARTED },
  demo: {
    summary: 'Start it with a built-in provider and demo keys',
    options: {
      groups: {
        type: 'boolean',
        about: 'Two providers, a fallback and two clients instead of one',
      },
    },
    exits: STARTED,
  },
  'check-config': {
    summary: 'Check the configuration and show what is in force',
    options: { json: JSON_OPTION },
    exits: { ...GLOBAL_EXITS, 0: 'everything can be used' },
  },
  'validate-keys': {
    summary: 'Check every key of the key file against its upstream',
    options: VALIDATE_OPTIONS,
    exits: {
      0: 'every key can be used, now or after its rest',
      1: 'some keys are dead or without access, or a value cannot be used',
      2: 'some keys could not be checked, or an option or a file cannot be used',
    },
  },
  health: {
    summary: 'Ask a running instance whether it can serve',
    options: CLIENT_OPTIONS,
    exits: {
      ...ASKED,
      0: 'healthy',
      1: 'unhealthy: no key can be used; or a value of the configuration cannot be',
    },
  },
  stats: { summary: 'Show its keys, requests and memory', options: CLIENT_OPTIONS, exits: ASKED },
  top: {
    summary: 'Watch it: requests, latency, groups and last errors, once a second',
    options: TOP_OPTIONS,
    exits: { ...ASKED, 0: 'ended by q, Ctrl-C or --count' },
  },
  blacklist: {
    summary: 'List its blacklisted and resting keys',
    options: CLIENT_OPTIONS,
    exits: ASKED,
  },
  fleet: {
    summary: 'Show the instances that share what they learn',
    options: CLIENT_OPTIONS,
    exits: ASKED,
  },
  'reset-keys': {
    summary: 'Give its blacklisted keys another chance; read the key file again',
    options: CLIENT_OPTIONS,
    exits: ASKED,
  },
  usage: {
    summary: 'Show what was used: tokens by client, group, model and key',
    options: USAGE_OPTIONS,
    exits: ASKED,
  },
  requests: {
    summary: 'List its last requests, or show them as they end',
    options: REQUESTS_OPTIONS,
    exits: ASKED,
  },
  why: {
    summary: 'Tell where one of its last requests went, and why',
    argument: { name: 'ID', missing: 'the id of a request; gpt-load requests lists them' },
    options: CLIENT_OPTIONS,
    exits: { ...ASKED, 1: 'it remembers no such request; or a value cannot be used' },
  },
  'alert-test': {
    summary: 'Send a test message to ALERT_WEBHOOK_URL',
    options: {},
    exits: {
      0: 'it was taken',
      1: 'it was not taken, or a value cannot be used',
      2: 'there is no ALERT_WEBHOOK_URL',
    },
  },
  completion: {
    summary: 'Print the completions of a shell: bash, zsh or fish',
    argument: { name: 'SHELL', missing: 'a shell: bash, zsh or fish', choices: SHELLS },
    options: {},
    exits: PRINTED,
  },
  man: { summary: 'Print the manual page (man -l -)', options: {}, exits: PRINTED },
  version: {
    summary: 'Show version, commit, platform and Node',
    options: { json: JSON_OPTION },
    exits: PRINTED,
  },
  help: {
    summary: 'Show this, or the help of a command',
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
