// `make screenshots`: the README's two pictures of the page, of a program that has served two
// providers for a minute.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const DOCS = join(import.meta.dirname, '../../docs');
const TRAFFIC_MS = 90_000;

function keysOf(group: string, kinds: readonly string[]): string[] {
  return kinds.map((kind, i) => {
    const digits = String((i + 3) * 7_919 + group.length * 104_729);
    return `sk-${group}-${kind}-000000000000${digits.slice(-4)}`;
  });
}

const openai = keysOf('openai', [...'ggggdgggogglggfg'].map(kindOf));
const claude = keysOf('claude', [...'gggggl'].map(kindOf));

function kindOf(letter: string): string {
  return { d: 'dead', o: 'owes', l: 'limited9', f: 'flaky9' }[letter] ?? 'good';
}

function fileText(url: string): string {
  return `[group.openai]
base_url = "${url}"
keys_file = "openai.txt"
models = ["gpt-*"]
[group.claude]
base_url = "${url}"
keys_file = "claude.txt"
models = ["claude-*"]
`;
}

/** Requests that come in waves, as people's do. */
async function traffic(url: string): Promise<void> {
  const endMs = performance.now() + TRAFFIC_MS;
  const models = ['gpt-4o', 'gpt-4o-mini', 'gpt-4.1', 'claude-sonnet-4-5'];
  for (let i = 0; performance.now() < endMs; i += 1) {
    const model = models[i % models.length] ?? '';
    const path = model.startsWith('claude') ? '/v1/messages' : '/v1/chat/completions';
    const messages = [{ role: 'user', content: 'Tell me of the sea. '.repeat(1 + (i % 9)) }];
    const body = JSON.stringify({ model, max_tokens: 200, messages });
    const headers = { 'content-type': 'application/json' };
    fetch(`${url}${path}`, { method: 'POST', headers, body }).then(
      (answer) => answer.arrayBuffer(),
      () => undefined,
    );
    await sleep(35 + 25 * Math.sin(i / 90) + 30 * Math.random());
  }
}

await using upstream = await startScriptedUpstream({ paceMs: 15 });
await using proxy = await startGptLoad({
  keys: [],
  upstreams: [],
  withoutKeysFile: true,
  env: { CONFIG_FILE: 'gpt-load.toml', LOG_LEVEL: 'error' },
  files: {
    'gpt-load.toml': fileText(upstream.url),
    'openai.txt': openai
      .map((key, i) => (i < 3 ? `${key} rpm=600 name=team-${i + 1}` : key))
      .join('\n'),
    'claude.txt': claude.join('\n'),
  },
});
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
const about = { locale: 'en-GB', viewport: { width: 1280, height: 800 } };
const light = await browser.newPage({ ...about, colorScheme: 'light' });
const dark = await browser.newPage({ ...about, colorScheme: 'dark' });
await light.goto(`${proxy.url}/dashboard`);
await dark.goto(`${proxy.url}/dashboard#keys`);
await traffic(proxy.url);
await light.screenshot({ path: join(DOCS, 'page-light.png') });
await dark.screenshot({ path: join(DOCS, 'page-dark.png') });
await browser.close();
console.log(`${DOCS}: page-light.png, page-dark.png`);
