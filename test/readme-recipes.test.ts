// The recipes of README.md and docs/clients.md are run as they stand there, against the real
// program in front of the scripted upstream; only the address is another one. Python, of which no
// SDK is here, is parsed; recipes with packages that are not installed are left to people.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ScriptedUpstream, startScriptedUpstream } from '../src/demo/scripted-upstream.ts';
import { freePort, needs, startPeer } from './support/peer-process.ts';
import { type GptLoad, startGptLoad } from './support/start-gpt-load.ts';

const ROOT = join(import.meta.dirname, '..');
const RUN_LIMIT_MS = 30_000;
/** Between two events: a proxy that kept them back would send them in one piece. */
const PACE_MS = 20;
const HOST_NAME = 'llm.example.org';

/** The code blocks of one language in a page, in order. */
function blocksOf(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'));
  return Array.from(blocks, ([, code = '']) => code);
}

let upstream: ScriptedUpstream;
let proxy: GptLoad;
before(async () => {
  upstream = await startScriptedUpstream({ script: () => ({ kind: 'good', paceMs: PACE_MS }) });
  proxy = await startGptLoad({
    keys: ['sk-recipes-good-0000000001', 'sk-recipes-good-0000000002'],
    upstreams: [upstream.url],
    env: { HOST: '127.0.0.1', AUTH_KEY: 'any-key', ALLOWED_HOSTS: HOST_NAME },
  });
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await upstream.close();
});

/** Runs a command in the project's folder; its code and all that it printed. */
async function outcome(command: string, args: readonly string[]) {
  const child = spawn(command, args, { cwd: ROOT, timeout: RUN_LIMIT_MS });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  const [code] = await once(child, 'close');
  return { code, printed };
}

const AUTH = "-H 'Authorization: Bearer any-key'";
const here = (code: string): string => code.replaceAll('http://localhost:3000', proxy.url);

/** What each SDK of docs/clients.md asks for, and where it puts the key: first to last. */
const ASKED = [
  '/v1/chat/completions by bearer',
  '/v1/messages by bearer',
  '/v1/models/gemini-2.5-flash:generateContent by x-goog-api-key',
  '/v1/chat/completions by bearer',
  '/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21 by api-key',
] as const;
const asked = () =>
  upstream.records.map(({ request }) => `${request.target} by ${request.credential}`);

const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
for (const [at, code] of blocksOf('docs/clients.md', 'js').entries()) {
  const library = / from '([^']+)'/.exec(code)?.[1] ?? '';
  const skip = library in devDependencies ? false : `${library} is not installed`;
  test(`JavaScript recipe ${at + 1}, with ${library}, gets an answer`, { skip }, async () => {
    upstream.forget();
    const { code: exit, printed } = await outcome('node', [
      '--input-type=module',
      '-e',
      here(code),
    ]);
    assert.equal(exit, 0, printed);
    assert.match(printed, /^Hello from the mock provider\. You said: Hello\s*$/);
    assert.deepEqual(asked(), [ASKED[at]]);
  });
}

const curls = ['README.md', 'docs/clients.md'].flatMap((page) =>
  blocksOf(page, 'sh').filter((code) => code.startsWith('curl ')),
);
for (const [at, code] of curls.entries()) {
  test(`request ${at + 1} by curl gets an answer`, needs('curl'), async () => {
    // The one of README.md is for a gpt-load that asks for no key.
    const known = code.includes('any-key') ? code : code.replace('curl ', `curl ${AUTH} `);
    const quiet = here(known).replaceAll('curl ', 'curl -sS --fail ');
    upstream.forget();
    const { code: exit, printed } = await outcome('sh', ['-ec', quiet]);
    assert.equal(exit, 0, printed);
    assert.equal(asked().at(-1), ASKED[0]);
    assert.match(printed, /scripted/);
  });
}

test('the Python recipes are Python', needs('python3'), async () => {
  const pages = ['README.md', 'docs/clients.md'].flatMap((page) => blocksOf(page, 'python'));
  assert.ok(pages.length >= 6);
  for (const code of pages) {
    const { code: exit, printed } = await outcome('python3', [
      '-c',
      'import ast, sys; ast.parse(sys.argv[1])',
      code,
    ]);
    assert.equal(exit, 0, `${code}\n${printed}`);
  }
});

/** nginx with the recipe's site, on a port of its own. */
async function startNginx(folder: string, port: number): Promise<AsyncDisposable> {
  const [site = ''] = blocksOf('docs/clients.md', 'nginx');
  const moved = site
    .replace('127.0.0.1:3000', `127.0.0.1:${proxy.port}`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`);
  assert.ok(moved.includes(String(proxy.port)) && moved.includes(String(port)), site);
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  const head = `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;\nevents {}\n`;
  const conf = join(folder, 'nginx.conf');
  writeFileSync(conf, `${head}http { access_log off; ${places}\n${moved}}\n`);
  return await startPeer('nginx', ['-c', conf], port);
}

test(
  'behind nginx events come one by one, and the own endpoints answer',
  needs('nginx'),
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gpt-load-nginx-'));
    try {
      const port = await freePort();
      await using _nginx = await startNginx(folder, port);
      const url = `http://127.0.0.1:${port}`;
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: 'Bearer any-key' },
        body: JSON.stringify({
          model: 'gpt-4o-mini',
          stream: true,
          messages: [{ role: 'user', content: 'Hello' }],
        }),
      });
      assert.equal(answer.status, 200);
      let pieces = 0;
      for await (const _piece of answer.body ?? []) pieces += 1;
      assert.ok(pieces > 3, `the stream came in ${pieces} pieces`);
      // fetch sets its own Host: only curl can play the name.
      const call = ['-sS', '--fail', '-u', ':any-key', '-H', `Host: ${HOST_NAME}`, `${url}/stats`];
      const { code, printed } = await outcome('curl', call);
      assert.equal(code, 0, printed);
      assert.match(printed, /"keys"/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
