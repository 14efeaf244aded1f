// A TOML file as tables whose values are taken one by one, each with its rule: what is left over is
// unknown, and every problem is told with file, line and column. Loaded only where there is such a
// file. Which tables and settings there are is grouping.ts.

import { parse, TomlError } from 'smol-toml';
import { nearest } from './nearest.ts';
import { quote } from './quote.ts';
import { TomlPlaces } from './toml-places.ts';

/** More than ten thousand groups need. */
const MAX_FILE_CHARS = 16 * 1024 * 1024;

/** What a problem shows of a name: TOML's may be as long as its file. */
const MAX_SHOWN_NAME = 80;

type Table = Readonly<Record<string, unknown>>;

/** What a value must be, and what is made of it; undefined: it breaks the rule. */
export interface ValueRule<T> {
  /** Completes the sentence "NAME: must be ...". */
  readonly text: string;
  readonly parse: (value: unknown) => T | undefined;
}

/** One file, with all the problems found in it so far. */
export class TomlFile {
  readonly name: string;
  readonly problems: string[] = [];
  readonly #root: Table;
  readonly #places: TomlPlaces;

  /** @throws SyntaxError, its message with line and column, for text that is no TOML */
  constructor(name: string, text: string) {
    this.name = name;
    if (text.length > MAX_FILE_CHARS) throw new SyntaxError(`${name}: too long`);
    const plain = text.replace(/^\ufeff/, '');
    this.#root = parsed(name, plain);
    this.#places = new TomlPlaces(plain);
  }

  /** The names of a table's tables, in the order of the file; what is no table is a problem. */
  tablesIn(name: string, nameRule: RegExp, nameText: string): TomlTable[] {
    const tables = this.#root[name];
    if (tables === undefined) return [];
    if (!isTable(tables)) {
      this.problem([name], `must be made of tables such as [${name}.NAME], got ${shown(tables)}`);
      return [];
    }
    return Object.entries(tables).flatMap(([key, table]) => {
      const path = [name, key];
      if (!nameRule.test(key)) this.problem(path, `the name must be ${nameText}`);
      else if (isTable(table)) return [new TomlTable(this, path, table)];
      else this.problem(path, `must be a table, [${name}.${key}], got ${shown(table)}`);
      return [];
    });
  }

  /** Reports what stands at the root and is none of these names. */
  refuseOthers(known: readonly string[]): void {
    for (const key of Object.keys(this.#root)) {
      if (!known.includes(key)) this.problem([key], `unknown table or setting${meant(key, known)}`);
    }
  }

  /** Notes a problem with the value at a path. */
  problem(path: readonly string[], text: string): void {
    const { line, column } = this.#places.of(path);
    const [kind, name, ...setting] = path.map(shortened);
    const table = name === undefined ? '' : `[${kind}.${name}] `;
    const subject = name === undefined ? kind : setting.join('.');
    const about = subject === '' ? `${table.trim()}:` : `${table}${subject}:`;
    this.problems.push(`${this.name}:${line}:${column}: ${about} ${text}`);
  }
}

function shortened(name: string): string {
  return name.length > MAX_SHOWN_NAME ? `${name.slice(0, MAX_SHOWN_NAME)}...` : name;
}

/** One table, such as `[group.openai]`. */
export class TomlTable {
  readonly name: string;
  readonly #file: TomlFile;
  readonly #path: readonly string[];
  readonly #values: Table;
  readonly #taken = new Set<string>();

  constructor(file: TomlFile, path: readonly string[], values: Table) {
    this.name = path.at(-1) ?? '';
    this.#file = file;
    this.#path = path;
    this.#values = values;
  }

  /** The keys that it has. */
  get names(): string[] {
    return Object.keys(this.#values);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#values, key);
  }

  /**
   * The value of a key; undefined when it is not there, or breaks its rule, which is then told.
   * @param isSecret its value is in no message
   */
  take<T>(key: string, rule: ValueRule<T>, isSecret = false): T | undefined {
    this.#taken.add(key);
    if (!this.has(key)) return undefined;
    const given = this.#values[key];
    const value = rule.parse(given);
    if (value === undefined) {
      const got = isSecret ? 'a value that is not shown' : shown(given);
      this.problem(key, `must be ${rule.text}, got ${got}`);
    }
    return value;
  }

  problem(key: string, text: string): void {
    this.#file.problem(key === '' ? this.#path : [...this.#path, key], text);
  }

  /** Reports every key that was not taken. */
  refuseOthers(): void {
    const known = [...this.#taken];
    for (const key of Object.keys(this.#values)) {
      if (!this.#taken.has(key)) this.problem(key, `unknown setting${meant(key, known)}`);
    }
  }
}

function parsed(name: string, text: string): Table {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [what = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    // The line itself, which the parser would show, may hold a client's key.
    throw new SyntaxError(`${name}:${error.line}:${error.column}: ${what}`);
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function meant(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

function shown(value: unknown): string {
  return quote(typeof value === 'string' ? value : JSON.stringify(value));
}
