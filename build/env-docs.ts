// Writes what people read about environment variables, from the table that parses them:
// .env.example, and the tables of docs/configuration.md and its Chinese twin between their marks.
// `--check` writes nothing and fails when something differs.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Meaning, SECTIONS, VARIABLES } from '../src/config/variables.ts';

const ROOT = join(import.meta.dirname, '..');

const BEGIN = '<!-- variables: written by make env-docs -->';
const END = '<!-- /variables -->';

/** The words of one language's table. */
interface Language {
  readonly file: string;
  readonly code: keyof Meaning;
  readonly head: readonly [string, string, string];
  readonly none: string;
}

const ENGLISH: Language = {
  file: 'docs/configuration.md',
  code: 'en',
  head: ['Variable', 'Default', 'Meaning'],
  none: 'none',
};

const CHINESE: Language = {
  file: 'docs/configuration_CN.md',
  code: 'zh',
  head: ['变量', '默认值', '含义'],
  none: '无',
};

/** The whole of .env.example: every variable, commented out, with its default. */
export function envExample(): string {
  const lines = [
    '# Every variable with its default. Copy this file to .env and uncomment what you change.',
    '# Variables set in the environment take precedence over this file.',
  ];
  for (const { title, fields } of SECTIONS) {
    lines.push('', `# ${title.en}`);
    for (const field of fields) {
      const { name, default: standard } = VARIABLES[field];
      lines.push('', `# ${VARIABLES[field].meaning.en}`, `#${name}=${standard}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The table of one page, without its marks. */
function table({ head, code, none }: Language): string {
  return SECTIONS.map(({ title, fields }) => {
    const rows = fields.map((field) => {
      const { name, default: standard, meaning } = VARIABLES[field];
      return `| \`${name}\` | ${standard === '' ? none : `\`${standard}\``} | ${meaning[code]} |`;
    });
    const lines = [`| ${head.join(' | ')} |`, '|---|---|---|', ...rows];
    return `**${title[code]}**\n\n${lines.join('\n')}\n`;
  }).join('\n');
}

/** `text` with the table between its marks up to date. */
function withTable(text: string, language: Language): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END, begin);
  if (begin === -1 || end === -1) throw new Error(`${language.file} has lost a mark of its table`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${table(language)}\n${text.slice(end)}`;
}

/** What each generated file must hold. Throws when a page, or one of its marks, is not there. */
export function envDocs(): { readonly file: string; readonly text: string }[] {
  const pages = [ENGLISH, CHINESE].map((language) => ({
    file: language.file,
    text: withTable(read(language.file), language),
  }));
  return [{ file: '.env.example', text: envExample() }, ...pages];
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function main(): void {
  const check = process.argv.includes('--check');
  for (const { file, text } of envDocs()) {
    if (existsSync(join(ROOT, file)) && read(file) === text) continue;
    if (check) {
      console.error(`${file} differs from the table of variables; run \`make env-docs\``);
      process.exitCode = 1;
    } else {
      writeFileSync(join(ROOT, file), text);
      console.log(`wrote ${file}`);
    }
  }
}

if (import.meta.main) main();
