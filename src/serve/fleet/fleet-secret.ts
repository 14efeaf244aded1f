// What instances of one fleet share and nobody else knows: names that reveal nothing about their
// keys, a mark that exposes an instance with another secret, and encrypted previews that nobody
// else can read.

import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

/** Characters of an id: 128 bits and some. */
const ID_LENGTH = 22;
const MARK_LENGTH = 16;
const IV_BYTES = 16;
const CIPHER = 'aes-256-ctr';
/** Longer than any preview. */
const MAX_SEALED_LENGTH = 128;

export class FleetSecret {
  readonly #key: Buffer;
  readonly #sealKey: Buffer;
  readonly #sealMac: Buffer;
  /** Equal where the secrets are; says nothing about them. */
  readonly mark: string;

  /** @param secret FLEET_SECRET, or AUTH_KEY */
  constructor(name: string, secret: string) {
    this.#key = createHmac('sha256', secret).update(`gpt-load fleet 1 ${name}`).digest();
    // No id is made of a text without a blank.
    this.#sealKey = createHmac('sha256', this.#key).update('seal-key').digest();
    this.#sealMac = createHmac('sha256', this.#key).update('seal-mac').digest();
    this.mark = this.#hmac('mark').slice(0, MARK_LENGTH);
  }

  /** The id of a key in a group; some 3 us. */
  idOf(group: string, boundName: string): string {
    return this.#hmac(`${group} ${boundName}`).slice(0, ID_LENGTH);
  }

  /**
   * A short text for those who have the secret; the same text always looks the same, so that sums
   * can be kept under it. The IV is an HMAC of the text, as in RFC 5297, and vouches for it.
   */
  seal(text: string): string {
    if (text === '') return '';
    const iv = this.#ivOf(text);
    const cipher = createCipheriv(CIPHER, this.#sealKey, iv);
    return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final()]).toString('base64url');
  }

  /** Undefined: it was not sealed with this secret. */
  unseal(sealed: string): string | undefined {
    if (sealed === '') return '';
    const bytes = Buffer.from(sealed.slice(0, MAX_SEALED_LENGTH), 'base64url');
    if (bytes.length <= IV_BYTES) return undefined;
    const iv = bytes.subarray(0, IV_BYTES);
    const cipher = createDecipheriv(CIPHER, this.#sealKey, iv);
    const text = cipher.update(bytes.subarray(IV_BYTES), undefined, 'utf8') + cipher.final('utf8');
    return iv.equals(this.#ivOf(text)) ? text : undefined;
  }

  #ivOf(text: string): Buffer {
    return createHmac('sha256', this.#sealMac).update(text).digest().subarray(0, IV_BYTES);
  }

  #hmac(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}
