// What instances of one fleet have in common and nobody else knows: names of keys that tell nothing
// about the keys, and a mark by which one with another secret is told.

import { createHmac } from 'node:crypto';

/** Characters of an id: 128 bits and some. */
const ID_LENGTH = 22;
const MARK_LENGTH = 16;

export class FleetSecret {
  readonly #key: Buffer;
  /** Equal where the secrets are; says nothing about them. */
  readonly mark: string;

  /** @param secret FLEET_SECRET, or AUTH_KEY */
  constructor(name: string, secret: string) {
    this.#key = createHmac('sha256', secret).update(`gpt-load fleet 1 ${name}`).digest();
    this.mark = this.#hmac('mark').slice(0, MARK_LENGTH);
  }

  /** The id of a key in a group; some 3 us. */
  idOf(group: string, boundName: string): string {
    return this.#hmac(`${group} ${boundName}`).slice(0, ID_LENGTH);
  }

  #hmac(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}
