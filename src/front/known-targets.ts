// Most requests of a service have one of a few targets, which are taken apart once. A query, or the
// authority of an absolute form, may be a credential: such targets are not remembered.

import { parseTarget, type RequestTarget } from '../policy/request-target.ts';

/** Targets remembered, each in a list that is searched for every request. */
const MAX_TARGETS = 8;
const MAX_TARGET_CHARS = 128;

export class KnownTargets {
  readonly #urls: string[] = [];
  readonly #targets: RequestTarget[] = [];
  #next = 0;

  /** The target as `parseTarget` takes it apart. */
  of(url: string): RequestTarget | undefined {
    const known = this.#urls.indexOf(url);
    if (known >= 0) return this.#targets[known];
    const target = parseTarget(url);
    const isPlain = target !== undefined && target.query === undefined && url.startsWith('/');
    if (isPlain && url.length <= MAX_TARGET_CHARS) this.#remember(url, target);
    return target;
  }

  /** In place of the one that was remembered first. */
  #remember(url: string, target: RequestTarget): void {
    this.#urls[this.#next] = url;
    this.#targets[this.#next] = target;
    this.#next = (this.#next + 1) % MAX_TARGETS;
  }
}
