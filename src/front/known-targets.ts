// Most requests of a service have one of a few targets, which are taken apart once. What stands in
// a query is a request's own, and may be a credential: such targets are not remembered.

import { parseTarget, type RequestTarget } from '../policy/request-target.ts';

/** Targets remembered, each in a list that is searched for every request. */
const MAX_TARGETS = 8;
const MAX_TARGET_CHARS = 128;

export class KnownTargets {
  readonly #urls: string[] = [];
  readonly #targets: RequestTarget[] = [];

  /** The target as `parseTarget` takes it apart. */
  of(url: string): RequestTarget | undefined {
    const known = this.#urls.indexOf(url);
    if (known >= 0) return this.#targets[known];
    const target = parseTarget(url);
    if (target?.query === undefined && target !== undefined) this.#remember(url, target);
    return target;
  }

  /** The first ones stay: whoever asks for a thousand different paths gains nothing from it. */
  #remember(url: string, target: RequestTarget): void {
    if (this.#urls.length >= MAX_TARGETS || url.length > MAX_TARGET_CHARS) return;
    this.#urls.push(url);
    this.#targets.push(target);
  }
}
