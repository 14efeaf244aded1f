// Certificates and keys from files: TLS_CERT_FILE and TLS_KEY_FILE for clients, EXTRA_CA_FILE for
// upstreams. Checks that they can be used and notices when they change; the server serves with
// them.

import { readFileSync, statSync } from 'node:fs';
import { ConfigError } from '../../errors.ts';
import { crypto, tls } from '../on-demand.ts';

/**
 * How often the files are looked at. Polling, because certbot and Kubernetes replace symlinks, not
 * files.
 */
const TLS_CHECK_INTERVAL_MS = 10_000;

/** PEM texts that belong together. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** When the certificate ends, milliseconds since 1970. */
  readonly expiresMs: number;
}

/**
 * Reads a certificate chain and its key.
 * @throws ConfigError when a file cannot be read, is not PEM, or the two do not belong together.
 */
export function loadTlsFiles(certFile: string, keyFile: string): TlsMaterial {
  const cert = read('TLS_CERT_FILE', certFile);
  const key = read('TLS_KEY_FILE', keyFile);
  const leaf = attempt(
    'TLS_CERT_FILE',
    `a PEM certificate in ${certFile}`,
    () => new (crypto().X509Certificate)(cert),
  );
  const privateKey = attempt(
    'TLS_KEY_FILE',
    `a PEM private key without a passphrase in ${keyFile}`,
    () => crypto().createPrivateKey(key),
  );
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new ConfigError([
      `TLS_KEY_FILE: must be the key of TLS_CERT_FILE, got ${keyFile} for ${certFile}`,
    ]);
  }
  attempt('TLS_CERT_FILE', `a certificate chain that TLS accepts in ${certFile}`, () =>
    tls().createSecureContext({ cert, key }),
  );
  return { cert, key, expiresMs: leaf.validToDate.getTime() };
}

/**
 * The certificate authorities for upstreams: Node's own and those of EXTRA_CA_FILE; undefined: only
 * Node's own.
 * @throws ConfigError when the file cannot be read or holds no certificate.
 */
export function trustedAuthorities(extraCaFile: string): readonly string[] | undefined {
  if (extraCaFile === '') return undefined;
  const text = read('EXTRA_CA_FILE', extraCaFile);
  const extra = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (extra.length === 0) {
    throw new ConfigError([
      `EXTRA_CA_FILE: must hold PEM certificates, got none in ${extraCaFile}`,
    ]);
  }
  for (const pem of extra) {
    attempt(
      'EXTRA_CA_FILE',
      `PEM certificates in ${extraCaFile}`,
      () => new (crypto().X509Certificate)(pem),
    );
  }
  return [...tls().getCACertificates('default'), ...extra];
}

/** Something that serves TLS: every https or http2 server of Node. */
export interface TlsServing {
  setSecureContext(material: { cert: string; key: string }): void;
}

/**
 * Keeps a server's certificate fresh: `reload` (SIGHUP) reads at once, a change of the files within
 * the interval.
 */
export class TlsReloader implements Disposable {
  readonly #files: readonly [string, string];
  readonly #server: TlsServing;
  readonly #report: (problem: string | null, material: TlsMaterial | null) => void;
  readonly #timer: NodeJS.Timeout;
  #seen: string;

  /**
   * @param report called after each reading: the problem (the old certificate stays in use), or the
   * new material
   */
  constructor(
    files: readonly [certFile: string, keyFile: string],
    server: TlsServing,
    report: (problem: string | null, material: TlsMaterial | null) => void,
    intervalMs: number = TLS_CHECK_INTERVAL_MS,
  ) {
    this.#files = files;
    this.#server = server;
    this.#report = report;
    this.#seen = this.#stamp();
    this.#timer = setInterval(() => this.#check(), intervalMs);
    this.#timer.unref();
  }

  reload(): void {
    this.#seen = this.#stamp();
    try {
      const material = loadTlsFiles(...(this.#files as [string, string]));
      this.#server.setSecureContext(material);
      this.#report(null, material);
    } catch (error) {
      this.#report((error as Error).message, null);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    if (this.#stamp() !== this.#seen) this.reload();
  }

  /** Changes whenever one of the files does, also when it comes or goes. */
  #stamp(): string {
    const marks = this.#files.map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? 'none' : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
    });
    return marks.join(' ');
  }
}

function read(variable: string, file: string): string {
  return attempt(variable, `a readable file, got ${file}`, () => readFileSync(file, 'utf8'));
}

function attempt<T>(variable: string, rule: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new ConfigError([`${variable}: must be ${rule}: ${(error as Error).message}`]);
  }
}
