// Where the keys of a TOML document are, by line and column, so that a problem with a value can be
// reported with its position: parsers give positions for syntax errors only. The document has
// already been parsed; nothing is checked here.

/** Counted from 1, columns in UTF-16 code units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The places of a document's tables and keys. */
export class TomlPlaces {
  readonly #places = new Map<string, Place>();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#statements();
  }

  /** The place of a key, by its path from the root; of its table, where it has none itself. */
  of(path: readonly string[]): Place {
    for (let length = path.length; length > 0; length -= 1) {
      const found = this.#places.get(nameOf(path.slice(0, length)));
      if (found !== undefined) return found;
    }
    return { line: 1, column: 1 };
  }

  #statements(): void {
    let table: readonly string[] = [];
    for (;;) {
      this.#skip(/[\s]+|#[^\n]*/y);
      if (this.#at >= this.#text.length) return;
      const start = this.#at;
      if (this.#text[this.#at] === '[') {
        this.#skip(/\[+/y);
        table = this.#key([], start);
        this.#skip(/[^\n]+/y);
      } else {
        const path = this.#key(table, start);
        this.#assignment(path);
      }
      // Whatever it was, the walk goes on.
      if (this.#at === start) this.#at += 1;
    }
  }

  /** Reads a dotted key, and enters it and what it is made of. */
  #key(table: readonly string[], start: number): readonly string[] {
    const path = [...table];
    const place = this.#placeOf(start);
    for (;;) {
      this.#skip(/[ \t]+/y);
      const part = this.#take(/"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[\w-]+/y);
      if (part === '') break;
      path.push(unquoted(part));
      const name = nameOf(path);
      if (!this.#places.has(name)) this.#places.set(name, place);
      this.#skip(/[ \t]+/y);
      if (this.#take(/\./y) === '') break;
    }
    return path;
  }

  #assignment(path: readonly string[]): void {
    this.#skip(/[ \t]*=[ \t]*/y);
    this.#value(path);
  }

  #value(path: readonly string[]): void {
    const first = this.#text[this.#at];
    if (first === '{') this.#inlineTable(path);
    else if (first === '[') this.#array(path);
    else if (this.#take(STRING) === '') this.#skip(/[^\s,\]}#]+(?: \d[^\s,\]}#]*)?/y);
  }

  #inlineTable(path: readonly string[]): void {
    this.#at += 1;
    for (;;) {
      this.#skip(BETWEEN);
      if (this.#take(/\}/y) !== '' || this.#at >= this.#text.length) return;
      const start = this.#at;
      this.#assignment(this.#key(path, start));
      if (this.#at === start) this.#at += 1;
    }
  }

  #array(path: readonly string[]): void {
    this.#at += 1;
    for (;;) {
      this.#skip(BETWEEN);
      if (this.#take(/\]/y) !== '' || this.#at >= this.#text.length) return;
      const start = this.#at;
      this.#value(path);
      if (this.#at === start) this.#at += 1;
    }
  }

  #skip(pattern: RegExp): void {
    while (this.#take(pattern) !== '');
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ''] = pattern.exec(this.#text) ?? [];
    this.#at += found.length;
    return found;
  }

  #placeOf(at: number): Place {
    const before = this.#text.slice(0, at);
    const lineStart = before.lastIndexOf('\n') + 1;
    return { line: before.split('\n').length, column: at - lineStart + 1 };
  }
}

const STRING = /"""(?:[^\\]|\\.)*?"{3,5}|'''.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'/sy;
/** What may stand between the items of an array or an inline table. */
const BETWEEN = /[\s,]+|#[^\n]*/y;

function nameOf(path: readonly string[]): string {
  return path.join('\0');
}

function unquoted(part: string): string {
  if (part.startsWith("'")) return part.slice(1, -1);
  if (!part.startsWith('"')) return part;
  try {
    return JSON.parse(part) as string;
  } catch {
    return part.slice(1, -1);
  }
}
