// Which models a group or a client is for: names with `*` for any characters and `?` for one, as
// people write them in gpt-load.toml. Matching only; who is asked first is up to the routing.

/** A list of patterns, compiled once. Names are compared with their case. */
export class ModelPatterns {
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];
  readonly #others: readonly RegExp[];

  constructor(patterns: readonly string[]) {
    const plain = patterns.filter((pattern) => !/[*?]/.test(pattern));
    const prefixes = patterns.filter((pattern) => /^[^*?]*\*$/.test(pattern));
    const simple = new Set([...plain, ...prefixes]);
    this.#exact = new Set(plain);
    this.#prefixes = prefixes.map((pattern) => pattern.slice(0, -1));
    this.#others = patterns.filter((pattern) => !simple.has(pattern)).map(expressionOf);
  }

  matches(model: string): boolean {
    if (this.#exact.has(model)) return true;
    for (const prefix of this.#prefixes) if (model.startsWith(prefix)) return true;
    for (const pattern of this.#others) if (pattern.test(model)) return true;
    return false;
  }
}

/** Stars are lazy and few (toml-rules.ts bounds them), and names of models are short. */
function expressionOf(pattern: string): RegExp {
  const parts = pattern.replace(/\*+/g, '*').split(/([*?])/);
  const source = parts.map((part) => {
    if (part === '*') return '.*?';
    return part === '?' ? '.' : part.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  });
  return new RegExp(`^${source.join('')}$`, 'su');
}
