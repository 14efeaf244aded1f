// `gpt-load man`: the manual page gpt-load(1) in man(7) macros, from the tables that the help is
// made of. What is true of commands and variables stands there; here is what a page needs besides.

import { SECTIONS, VARIABLES } from '../config/variables.ts';
import {
  COMMANDS,
  type Command,
  type Exits,
  GLOBAL_EXITS,
  GLOBAL_OPTIONS,
  type Option,
} from './command-table.ts';

const DESCRIPTION = [
  'gpt-load puts one dependable endpoint in front of many API keys of OpenAI-compatible ' +
    'services. It rotates keys and upstreams; when one fails, another is tried before the client ' +
    'notices. Without a command it starts the proxy.',
  'Keys are read from keys.txt, one per line. Settings are environment variables, also read from ' +
    '.env in the working directory. gpt-load.toml configures several providers and clients.',
];

const FILES: readonly (readonly [string, string])[] = [
  ['keys.txt', 'API keys, one per line (KEYS_FILE); reloaded when the file changes.'],
  ['.env', 'Variables as NAME=value lines; the environment takes precedence.'],
  ['gpt-load.toml', 'Groups and clients (CONFIG_FILE); optional.'],
];

const SIGNALS: readonly (readonly [string, string])[] = [
  ['SIGHUP', 'Reload keys and groups, and reopen the log file.'],
  ['SIGTERM, SIGINT', 'Stop accepting requests, let running ones finish, then exit.'],
];

/** The page; `version` stands in its footer. */
export function manualPage(version: string): string {
  return [
    `.TH GPT\\-LOAD 1 "" "gpt\\-load ${roff(version)}" "User Commands"`,
    '.SH NAME',
    'gpt\\-load \\- one dependable endpoint in front of many API keys',
    '.SH SYNOPSIS',
    '.B gpt\\-load',
    '[\\fICOMMAND\\fR] [\\fIOPTIONS\\fR]',
    '.SH DESCRIPTION',
    ...DESCRIPTION.flatMap((text) => ['.PP', roff(text)]),
    '.SH COMMANDS',
    ...Object.entries(COMMANDS).flatMap(([name, command]) => commandLines(name, command)),
    '.SH OPTIONS',
    ...optionLines(GLOBAL_OPTIONS),
    '.SH ENVIRONMENT',
    ...SECTIONS.flatMap(({ title, fields }) => [
      `.SS ${roff(title.en)}`,
      ...fields.flatMap((field) => {
        const { name, default: value, meaning } = VARIABLES[field];
        return ['.TP', `\\fB${roff(name)}\\fR=${roff(value)}`, roff(meaning.en)];
      }),
    ]),
    '.SH FILES',
    ...FILES.flatMap(tagged),
    '.SH SIGNALS',
    ...SIGNALS.flatMap(tagged),
    '.SH EXIT STATUS',
    'Unless a command says otherwise:',
    ...exitLines(GLOBAL_EXITS),
    '',
  ].join('\n');
}

function commandLines(name: string, { summary, argument, options, exits }: Command): string[] {
  const words = argument === undefined ? '' : ` \\fI${roff(argument.name)}\\fR`;
  return [
    `.SS gpt\\-load ${roff(name)}${words}`,
    `${roff(summary)}.`,
    ...optionLines(options),
    '.PP',
    'Exit status:',
    ...exitLines(exits),
  ];
}

function optionLines(options: Readonly<Record<string, Option>>): string[] {
  return Object.entries(options).flatMap(([name, { short, value, about }]) => {
    const first = short === undefined ? '' : `\\fB\\-${short}\\fR, `;
    const taken = value === undefined ? '' : ` \\fI${roff(value)}\\fR`;
    return ['.TP', `${first}\\fB\\-\\-${roff(name)}\\fR${taken}`, `${roff(about)}.`];
  });
}

function exitLines(exits: Exits): string[] {
  return Object.entries(exits).flatMap(tagged);
}

function tagged([tag, text]: readonly [string, string]): string[] {
  return ['.TP', `\\fB${roff(tag)}\\fR`, roff(text)];
}

/** Text that no macro and no escape hides in: a line that begins with . or ' would be a request. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}
