// GET /dashboard: the page itself, one document with everything in it and no data. Compiled into
// the program; run from source, it is what `make page` has written.

import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { zlib } from '../../upstream/on-demand.ts';

/** The document, and the hashes of the script and the style that it may run. */
interface Page {
  readonly html: string;
  readonly policy: string;
}

declare const __DASHBOARD__: Page;

interface Prepared {
  readonly plain: Buffer;
  readonly gzipped: Buffer;
  readonly policy: string;
}

let prepared: Prepared | undefined;

/** 200, or 404 where the page was not built. */
export function sendDashboard(request: IncomingMessage, response: ServerResponse): void {
  prepared ??= prepare();
  if (prepared === undefined) {
    response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end('The page is not built: run `make page`.\n');
    return;
  }
  const { plain, gzipped, policy } = prepared;
  const isGzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  const body = isGzip ? gzipped : plain;
  response.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': body.length,
    ...(isGzip ? { 'Content-Encoding': 'gzip' } : {}),
    'Content-Security-Policy': policy,
    'Cache-Control': 'no-cache',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    Vary: 'Accept-Encoding',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function prepare(): Prepared | undefined {
  const page = typeof __DASHBOARD__ === 'object' ? __DASHBOARD__ : written();
  if (page === undefined) return undefined;
  const plain = Buffer.from(page.html);
  return { plain, gzipped: zlib().gzipSync(plain, { level: 9 }), policy: page.policy };
}

function written(): Page | undefined {
  try {
    const file = new URL('../../../dist/dashboard.json', import.meta.url);
    return JSON.parse(readFileSync(file, 'utf8')) as Page;
  } catch {
    return undefined;
  }
}
