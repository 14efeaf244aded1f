// `gpt-load completion SHELL`: a script by which bash, zsh or fish complete commands, options and
// file names. Made from command-table.ts, like the help; the person's shell decides where it goes.

import {
  COMMANDS,
  type Command,
  GLOBAL_OPTIONS,
  type Option,
  type Shell,
} from './command-table.ts';

type Options = readonly (readonly [string, Option])[];

const NAMES = Object.keys(COMMANDS) as (keyof typeof COMMANDS)[];

/** The whole script, to be sourced or put where the shell looks for completions. */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bashScript();
    case 'zsh':
      return zshScript();
    case 'fish':
      return fishScript();
  }
}

function optionsOf(command: Command): Options {
  return Object.entries({ ...command.options, ...GLOBAL_OPTIONS });
}

/** What may follow a command: words, or nothing that could be foreseen. */
function choicesOf(name: (typeof NAMES)[number]): readonly string[] {
  const { argument }: Command = COMMANDS[name];
  return name === 'help' ? NAMES : (argument?.choices ?? []);
}

function spellings([name, { short }]: Options[number]): string[] {
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
}

/** Spellings, in one command or another, of the options whose value is of this kind. */
function taking(names: Option['names'], command: Command): string {
  const found = optionsOf(command).filter(([, { type, ...option }]) => {
    return type === 'string' && option.names === names;
  });
  return found.flatMap(spellings).join('|');
}

function bashScript(): string {
  const cases = NAMES.map((name) => {
    const command: Command = COMMANDS[name];
    const words = [...choicesOf(name), ...optionsOf(command).flatMap(spellings)].join(' ');
    const actions = [
      [taking('file', command), 'COMPREPLY=($(compgen -f -- "$cur")); return'],
      [taking('directory', command), 'COMPREPLY=($(compgen -d -- "$cur")); return'],
      [taking(undefined, command), 'return'],
    ].filter(([options]) => options !== '');
    const values = actions.map(([options, action]) => `        ${options}) ${action} ;;`);
    return [
      `    ${name})`,
      '      case $prev in',
      ...values,
      '      esac',
      `      words="${words}" ;;`,
    ].join('\n');
  });
  return `# gpt-load, completions for bash:  source <(gpt-load completion bash)
_gpt_load() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= word words
  compopt -o filenames 2>/dev/null
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      ${NAMES.join('|')}) command=$word; break ;;
    esac
  done
  case \${command:-serve} in
${cases.join('\n')}
  esac
  [ -n "$command" ] || words="${NAMES.join(' ')} $words"
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _gpt_load gpt-load
`;
}

function zshScript(): string {
  const cases = NAMES.map((name) => {
    const choices = choicesOf(name);
    const words = choices.length === 0 ? [] : [`'1:word:(${choices.join(' ')})'`];
    const options = optionsOf(COMMANDS[name]).flatMap(zshOption);
    return `    ${name})\n      _arguments ${[...options, ...words].join(' \\\n        ')} ;;`;
  });
  const commands = NAMES.map((name) => `    '${name}:${zshText(COMMANDS[name].summary)}'`);
  const globals = Object.entries(GLOBAL_OPTIONS).flatMap(zshOption);
  return `#compdef gpt-load
# gpt-load, completions for zsh:  gpt-load completion zsh > "\${fpath[1]}/_gpt-load"
_gpt_load() {
  local curcontext=$curcontext state line
  local -a commands=(
${commands.join('\n')}
  )
  _arguments -C ${globals.join(' \\\n    ')} \\
    '1:command:->command' '*::word:->word' && return
  if [[ $state == command ]]; then
    _describe command commands
    return
  fi
  case $words[1] in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _gpt-load ]]; then _gpt_load "$@"; else compdef _gpt_load gpt-load; fi
`;
}

function zshOption(option: readonly [string, Option]): string[] {
  const [, { value, names, about }] = option;
  const actions = { file: '_files', directory: '_files -/', none: ' ' };
  const taken = value === undefined ? '' : `:${zshText(value)}:${actions[names ?? 'none']}`;
  return spellings(option).map((spelling) => `'${spelling}[${zshText(about)}]${taken}'`);
}

/** Within single quotes and brackets, where a colon would end the text. */
function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replace(/[[\]:\\]/g, '\\$&');
}

function fishScript(): string {
  const lines = [
    '# gpt-load, completions for fish:',
    '#   gpt-load completion fish > ~/.config/fish/completions/gpt-load.fish',
    'complete -c gpt-load -f',
  ];
  const none = `not __fish_seen_subcommand_from ${NAMES.join(' ')}`;
  for (const name of NAMES) {
    const command: Command = COMMANDS[name];
    lines.push(`complete -c gpt-load -n '${none}' -a ${name} -d '${fishText(command.summary)}'`);
    const seen = `-n '__fish_seen_subcommand_from ${name}'`;
    const choices = choicesOf(name).join(' ');
    if (choices !== '') lines.push(`complete -c gpt-load ${seen} -a '${choices}'`);
    for (const option of Object.entries(command.options)) lines.push(fishOption(option, seen));
  }
  for (const option of Object.entries(GLOBAL_OPTIONS)) lines.push(fishOption(option, ''));
  return `${lines.join('\n')}\n`;
}

function fishOption([name, option]: readonly [string, Option], condition: string): string {
  const { short, value, names, about } = option;
  const parts = ['complete -c gpt-load', condition, `-l ${name}`];
  if (short !== undefined) parts.push(`-s ${short}`);
  if (value !== undefined) parts.push(names === undefined ? '-x' : '-r -F');
  parts.push(`-d '${fishText(about)}'`);
  return parts.filter((part) => part !== '').join(' ');
}

function fishText(text: string): string {
  return text.replace(/['\\]/g, '\\$&');
}
