// Makes the page of /dashboard: one document with its script and style in it, and the policy that
// lets nothing else run. Written to dist/ for running from source; bundle.ts puts it into the
// program.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { assertCompiledIn } from './compiled-in.ts';
import { ROOT } from './targets.ts';

const SOURCE = join(ROOT, 'src/admin/dashboard/page');
const OUTPUT = join(ROOT, 'dist/dashboard.json');
/** With everything: what a phone on a bad line has to wait for. */
export const MAX_PAGE_GZIP_BYTES = 60 * 1024;

/** The document, and its Content-Security-Policy. */
export interface Page {
  readonly html: string;
  readonly policy: string;
}

/** @throws when it is larger than it may be, or made of what is not on the list */
export async function buildPage(): Promise<Page> {
  const result = await build({
    entryPoints: [join(SOURCE, 'main.tsx')],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'warning',
  });
  assertCompiledIn(Object.keys(result.metafile.inputs));
  // No script may end the element that it stands in.
  const script = (result.outputFiles[0]?.text ?? '').replaceAll('</script', '<\\/script');
  const plot = join(ROOT, 'node_modules/uplot/dist/uPlot.min.css');
  const sheets = [plot, join(SOURCE, 'page.css')].map((file) => readFileSync(file, 'utf8'));
  const { code: style } = await (await import('esbuild')).transform(sheets.join('\n'), {
    loader: 'css',
    minify: true,
  });
  const html = readFileSync(join(SOURCE, 'page.html'), 'utf8')
    .replace(/\n\s*/g, '')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`);
  const bytes = gzipSync(html, { level: 9 }).length;
  if (bytes > MAX_PAGE_GZIP_BYTES) {
    throw new Error(`the page has ${bytes} bytes, gzipped; it may have ${MAX_PAGE_GZIP_BYTES}`);
  }
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return { html, policy };
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

if (import.meta.main) {
  const page = await buildPage();
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  writeFileSync(OUTPUT, JSON.stringify(page));
  console.log(`dist/dashboard.json: ${gzipSync(page.html, { level: 9 }).length} bytes gzipped`);
}
