// `gpt-load --help`, and the help of one command: the tables of commands and of variables, as text.

import { SECTIONS, VARIABLES } from '../config/variables.ts';
import {
  COMMANDS,
  type Command,
  type CommandName,
  type Exits,
  GLOBAL_EXITS,
  GLOBAL_OPTIONS,
} from './command-table.ts';

/** All of it, or what one command takes. */
export function helpText(command: CommandName | undefined): string {
  return command === undefined || command === 'help' ? programHelp() : commandHelp(command);
}

function programHelp(): string {
  const commands = Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary] as const);
  return [
    'gpt-load: one dependable endpoint in front of many API keys',
    '',
    'Usage: gpt-load [COMMAND] [OPTIONS]',
    '',
    'Commands:',
    columns(commands),
    '',
    'Options:',
    columns(optionRows(GLOBAL_OPTIONS)),
    '',
    'Exit codes (see the help of a command for its own):',
    columns(exitRows(GLOBAL_EXITS)),
    '',
    'Environment variables and their defaults (also read from .env):',
    ...SECTIONS.flatMap(({ title, fields }) => [
      '',
      `${title.en}:`,
      ...fields.flatMap(variableLines),
    ]),
    '',
  ].join('\n');
}

function variableLines(field: keyof typeof VARIABLES): string[] {
  const { name, default: value, meaning } = VARIABLES[field];
  return [`  ${name}=${value}`, `      ${meaning.en}`];
}

function commandHelp(name: CommandName): string {
  const { summary, argument, options, exits }: Command = COMMANDS[name];
  const words = argument === undefined ? name : `${name} ${argument.name}`;
  return [
    `gpt-load ${name}: ${summary}`,
    '',
    `Usage: gpt-load ${words} [OPTIONS]`,
    '',
    'Options:',
    columns([...optionRows(options), ...optionRows(GLOBAL_OPTIONS)]),
    '',
    'Exit codes:',
    columns(exitRows(exits)),
    '',
  ].join('\n');
}

function optionRows(options: Command['options']): (readonly [string, string])[] {
  return Object.entries(options).map(([name, { short, value, about }]) => {
    const first = short === undefined ? '    ' : `-${short}, `;
    return [`${first}--${name}${value === undefined ? '' : ` ${value}`}`, about];
  });
}

function exitRows(exits: Exits): (readonly [string, string])[] {
  return Object.entries(exits);
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`).join('\n');
}
