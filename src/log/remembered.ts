// Memoises a pure function of texts that repeat: paths, upstreams and models recur from line to
// line, so results are kept, within bounds.

/** So many texts are kept as they are written. */
const MAX_REMEMBERED = 1024;
/** Longer texts are not worth remembering. */
export const MAX_REMEMBERED_CHARS = 256;

/** The same text, which does not keep alive a longer one that it was cut from, as slices do. */
export function ownCopy(text: string): string {
  return ` ${text}`.slice(1);
}

/** Makes something of a text, and knows it the next time. */
export class Remembered {
  readonly #make: (text: string) => string;
  readonly #known = new Map<string, string>();

  constructor(make: (text: string) => string) {
    this.#make = make;
  }

  of(text: string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const made = this.#make(text);
    if (text.length > MAX_REMEMBERED_CHARS) return made;
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    const own = ownCopy(text);
    this.#known.set(own, made === text ? own : made);
    return made;
  }
}
