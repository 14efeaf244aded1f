// The test certificate authority and what it signed (test/fixtures/tls, valid until 2126): `server`
// is for localhost, upstream.test, 127.0.0.1 and ::1; `other` is for other.test alone. `expired`,
// for 127.0.0.1, ended in 2020, and signed itself.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
}

export const testCa = readFileSync(fixturePath('ca.pem'), 'utf8');

export function certificate(name: 'server' | 'other' | 'expired'): { cert: string; key: string } {
  return {
    cert: readFileSync(fixturePath(`${name}.pem`), 'utf8'),
    key: readFileSync(fixturePath(`${name}.key`), 'utf8'),
  };
}
