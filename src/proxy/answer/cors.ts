// Cross-origin answers for browsers (Fetch standard 3.2): which origin, methods and headers are
// allowed. Works on flat field lists; who is proxied and who is not has been decided before.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../../config/config.ts';

type CorsConfig = Pick<
  Config,
  'enableCors' | 'allowedOrigins' | 'allowedMethods' | 'allowedHeaders' | 'allowCredentials'
>;

/** Browsers may remember a preflight this long; Chromium caps it at two hours. */
const PREFLIGHT_MAX_AGE_SECONDS = 7200;

/** Answers preflights and marks proxied answers, by the ALLOW* variables. */
export class Cors {
  readonly #config: CorsConfig;
  readonly #anyOrigin: boolean;
  readonly #anyHeader: boolean;
  readonly #methods: string;
  readonly #headers: string;

  constructor(config: CorsConfig) {
    this.#config = config;
    this.#anyOrigin = config.allowedOrigins.includes('*');
    this.#anyHeader = config.allowedHeaders.includes('*');
    this.#methods = config.allowedMethods.join(', ');
    this.#headers = config.allowedHeaders.join(', ');
  }

  get enabled(): boolean {
    return this.#config.enableCors;
  }

  /** Answers a preflight and returns true; false for every other request. */
  answerPreflight(request: IncomingMessage, response: ServerResponse): boolean {
    if (!this.enabled || request.method !== 'OPTIONS') return false;
    const { origin } = request.headers;
    const method = request.headers['access-control-request-method'];
    if (origin === undefined || method === undefined) return false;
    const fields: string[] = [];
    this.mark(fields, origin);
    if (this.#allows(origin)) {
      const asked = request.headers['access-control-request-headers'];
      fields.push('Access-Control-Allow-Methods', this.#methods);
      // `*` never covers Authorization (Fetch standard): name what is asked for.
      const headers = this.#anyHeader ? asked : this.#headers;
      if (headers !== undefined) fields.push('Access-Control-Allow-Headers', headers);
      fields.push('Access-Control-Max-Age', String(PREFLIGHT_MAX_AGE_SECONDS));
    }
    response.writeHead(204, fields);
    response.end();
    return true;
  }

  /** Puts our own answer for this origin in place of whatever the upstream said about origins. */
  mark(fields: string[], origin: string | undefined): void {
    dropUpstreamCors(fields);
    addVaryOrigin(fields);
    if (origin === undefined ? !this.#anyOrigin : !this.#allows(origin)) return;
    const plain = this.#anyOrigin && !this.#config.allowCredentials;
    fields.push('Access-Control-Allow-Origin', plain ? '*' : (origin ?? '*'));
    if (this.#config.allowCredentials) fields.push('Access-Control-Allow-Credentials', 'true');
    else fields.push('Access-Control-Expose-Headers', '*');
  }

  #allows(origin: string): boolean {
    return this.#anyOrigin || this.#config.allowedOrigins.includes(origin);
  }
}

function dropUpstreamCors(fields: string[]): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    const name = fields[i] as string;
    if (name.length > 22 && name.toLowerCase().startsWith('access-control-')) fields.splice(i, 2);
  }
}

function addVaryOrigin(fields: string[]): void {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length !== 4 || name.toLowerCase() !== 'vary') continue;
    const value = fields[i + 1] as string;
    if (/(^|,)\s*(origin|\*)\s*(,|$)/i.test(value)) return;
  }
  fields.push('Vary', 'Origin');
}
