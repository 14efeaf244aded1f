// `gpt-load demo --groups`: two mock providers behind one endpoint, a fallback group and two
// clients, from a gpt-load.toml that is shown and can be copied.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readGrouping } from '../config/grouping.ts';
import { narrate, type Paint } from '../demo/narration.ts';
import { startScriptedUpstream } from '../demo/scripted-upstream.ts';
import { get, type Props, type Stage } from './demo-stage.ts';
import type { Terminal } from './terminal.ts';

const PAUSE_MS = 250;
/** Worth nothing anywhere. */
const CLIENTS = { alice: 'demo-key-of-alice', bob: 'demo-key-of-bob' } as const;
const KEYS: Readonly<Record<string, readonly string[]>> = {
  openai: ['sk-demo-dead-00000000000000dead', 'sk-demo-limited3-0000000000busy'],
  claude: ['sk-demo-good-claude-00000000fine'],
  backup: ['sk-demo-good-backup-00000000paid'],
};

/** Two providers, three groups, two clients. */
export async function groupsStage(props: Props): Promise<Stage> {
  const { directory, terminal, paint, paceMs, retryAfterS } = props;
  const start = (name: string) =>
    startScriptedUpstream({
      paceMs,
      retryAfterS,
      onAnswered: (record) => {
        terminal.write(`${name.padEnd(8)}${narrate(record, retryAfterS, paint)}`);
      },
    });
  await using started = new AsyncDisposableStack();
  const openai = started.use(await start('openai'));
  const claude = started.use(await start('claude'));
  const text = fileText(openai.url, claude.url);
  const configFile = join(directory, 'gpt-load.toml');
  writeFileSync(configFile, text, { mode: 0o600 });
  for (const [name, keys] of Object.entries(KEYS)) {
    writeFileSync(join(directory, `${name}.txt`), `${keys.join('\n')}\n`, { mode: 0o600 });
  }
  const stack = started.move();
  return {
    own: { configFile, keysFile: join(directory, 'none.txt') },
    // The environment's keys are not the demo's.
    readGrouping: (config) => readGrouping({ ...config, keysFile: 'keys.txt' }, {}),
    opening: (url) => opening(url, text, paint),
    warmUp: (url) => warmUp(url, terminal, paint),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function fileText(openai: string, claude: string): string {
  return `[group.openai]
base_url = "${openai}"
keys_file = "openai.txt"      # one key is dead, one is rate limited on every third request
models = ["gpt-*"]
fallback = ["backup"]

[group.claude]
base_url = "${claude}"
keys_file = "claude.txt"
models = ["claude-*"]

[group.backup]
base_url = "${openai}"
keys_file = "backup.txt"
alias = { "gpt-4o" = "openai/gpt-4o" }

[client.alice]
key = "${CLIENTS.alice}"

[client.bob]
key = "${CLIENTS.bob}"
groups = ["claude"]
`;
}

function opening(url: string, text: string, paint: Paint): string {
  const request = (path: string, key: string, model: string, more = '') =>
    `  curl ${url}${path} -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' ` +
    `-d '{"model":"${model}",${more}"messages":[{"role":"user","content":"Hello"}]}'`;
  const lines = [
    paint('gpt-load demo --groups', 'bold'),
    '',
    `Two mock providers, with gpt-load in front of them at ${paint(url, 'bold')} and this gpt-load.toml:`,
    '',
    ...text
      .trimEnd()
      .split('\n')
      .map((line) => (line === '' ? '' : `  ${line}`)),
    '',
    'Try it in another terminal. The model selects the provider:',
    '',
    request('/v1/chat/completions', CLIENTS.alice, 'gpt-4o'),
    request('/v1/messages', CLIENTS.alice, 'claude-sonnet-4', '"max_tokens":50,'),
    '',
    'Bob may only use claude, so this is refused:',
    '',
    request('/v1/chat/completions', CLIENTS.bob, 'gpt-4o'),
    '',
    `  curl ${url}/groups`,
    '',
    'Each request that reaches a provider is shown as one line. Press Ctrl-C to stop.',
    '',
    '',
  ];
  return lines.join('\n');
}

async function warmUp(url: string, terminal: Terminal, paint: Paint): Promise<void> {
  terminal.write(paint('First, a few requests sent by the demo itself:\n', 'dim'));
  const asked = [
    ['alice', '/v1/models/gpt-4o'],
    ['alice', '/v1/models/gpt-4o'],
    ['alice', '/v1/models/claude-sonnet-4'],
    ['bob', '/v1/models/claude-sonnet-4'],
    ['bob', '/v1/models/gpt-4o'],
  ] as const;
  for (const [client, path] of asked) {
    const { status } = await get(url + path, CLIENTS[client]);
    terminal.write(`${paint(`${client} got ${status} for ${path}`, 'bold')}\n`);
    await sleep(PAUSE_MS);
  }
  terminal.write('\n');
}
