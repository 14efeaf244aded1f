// Parses a command line into a command and its options, or into what is wrong with it. The commands
// are data in command-table.ts; main.ts runs them.

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import { VARIABLES } from '../config/variables.ts';
import {
  COMMANDS,
  type Command,
  type CommandName,
  GLOBAL_OPTIONS,
  isCommand,
} from './command-table.ts';

export interface CommandLine {
  readonly kind: 'command';
  readonly command: CommandName;
  /** Whether the command was named, or is the default. */
  readonly named: boolean;
  /** Options under their long names. */
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  /** Words after the command; at most one, where it takes one. */
  readonly rest: readonly string[];
}

/** One line for the person who typed it. */
export interface UsageProblem {
  readonly kind: 'usage';
  readonly message: string;
}

interface FirstWord {
  readonly text: string;
  readonly isAfterUnknown: boolean;
}

type Options = NonNullable<ParseArgsConfig['options']>;

/** Reads `argv` (without node and script). Nothing named means `serve`. */
export function readCommandLine(argv: readonly string[]): CommandLine | UsageProblem {
  const first = firstWord(argv);
  const word = first?.isAfterUnknown && !isCommand(first.text) ? undefined : first?.text;
  if (word !== undefined && !isCommand(word)) {
    const known = Object.keys(COMMANDS);
    return usage(`unknown command "${word}"${suggestion(nearest(word, known))}`);
  }
  const command = word ?? 'serve';
  const options = parserOptions(COMMANDS[command]);
  try {
    const parsed = parseArgs({ args: [...argv], options, allowPositionals: true });
    const rest = parsed.positionals.slice(1);
    const problem = wordProblem(command, rest);
    if (problem !== undefined && !isAsking(parsed.values)) return usage(problem);
    const values = parsed.values as CommandLine['values'];
    return { kind: 'command', command, named: word !== undefined, values, rest };
  } catch (error) {
    return usage(explain(error as Error, command, Object.keys(options)));
  }
}

/** What is wrong with the words after the command. */
function wordProblem(name: CommandName, rest: readonly string[]): string | undefined {
  const { argument }: Command = COMMANDS[name];
  const excess = argument === undefined ? rest[0] : rest[1];
  if (excess !== undefined) return `unexpected argument "${excess}" for ${name}`;
  const word = rest[0];
  if (word === undefined) return argument?.missing && `${name} needs ${argument.missing}`;
  const isKnown = argument?.choices?.includes(word) ?? true;
  return isKnown ? undefined : `${name} needs ${argument?.missing}, got "${word}"`;
}

/** It is not the command that is wanted. */
function isAsking({ help, version, licenses }: Record<string, unknown>): boolean {
  return help === true || version === true || licenses === true;
}

/**
 * The first word that is neither an option nor an option's value, whichever command it belongs to;
 * after an option that no command has it may be that option's value.
 */
function firstWord(argv: readonly string[]): FirstWord | undefined {
  const options: Options = {};
  for (const command of Object.values(COMMANDS)) Object.assign(options, parserOptions(command));
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const at = tokens.findIndex(({ kind }) => kind === 'positional');
  const found = tokens[at];
  if (found?.kind !== 'positional') return undefined;
  const before = tokens[at - 1];
  const isAfterUnknown = before?.kind === 'option' && !Object.hasOwn(options, before.name);
  return { text: found.value, isAfterUnknown };
}

function parserOptions(command: Command): Options {
  return Object.fromEntries(
    Object.entries({ ...command.options, ...GLOBAL_OPTIONS }).map(([name, option]) => {
      const { type, short }: { type: 'string' | 'boolean'; short?: string } = option;
      return [name, short === undefined ? { type } : { type, short }];
    }),
  );
}

function explain(error: Error, command: CommandName, known: readonly string[]): string {
  const value = /^Option '(?:-\w, )?(--[\w-]+)(?: <value>)?' (argument missing|does not)/;
  const [, option, fault] = value.exec(error.message) ?? [];
  if (fault !== undefined)
    return `${option} ${fault === 'does not' ? 'takes no' : 'needs a'} value`;
  const unknown = /^Unknown option '(-+)([^']*)'/.exec(error.message);
  if (unknown === null) return error.message.split('. ')[0] ?? error.message;
  const [, dashes = '', name = ''] = unknown;
  const meant = dashes === '--' ? nearest(name, known) : undefined;
  const hint = variableHint(name) ?? suggestion(meant && `--${meant}`);
  return `unknown option ${dashes}${name} for ${command}${hint}`;
}

/** Settings are variables: `--port` has been tried by everybody once. */
function variableHint(option: string): string | undefined {
  const name = option.toUpperCase().replaceAll('-', '_');
  const isVariable = Object.values(VARIABLES).some((variable) => variable.name === name);
  return isVariable ? `; set the variable ${name}` : undefined;
}

function suggestion(meant: string | undefined): string {
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

function usage(message: string): UsageProblem {
  return { kind: 'usage', message: `${message} (see gpt-load --help)` };
}
