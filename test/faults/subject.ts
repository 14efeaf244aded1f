// What stands between client and upstreams in a scenario: gpt-load, or a plain reverse proxy with
// its usual settings and the same limits. What is asked of them is the scenarios'.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startPeer } from '../support/peer-process.ts';
import { type GptLoad, type StartOptions, startGptLoad } from '../support/start-gpt-load.ts';

export interface Subject extends AsyncDisposable {
  readonly port: number;
  /** Undefined: it is another program. */
  readonly own: GptLoad | undefined;
}

export const KEYS = ['a', 'b', 'c'].map((name) => `sk-test-good-faults${name}-0123456789abcdef`);

/** Every wait of every subject, in seconds: long ones only make the table slow. */
export const LIMIT_S = 2;

const ENV = {
  STATE_FILE: '',
  REQUEST_TIMEOUT: String(LIMIT_S),
  RESPONSE_TIMEOUT: String(LIMIT_S),
  STREAM_IDLE_TIMEOUT: String(LIMIT_S),
  SERVER_READ_TIMEOUT: String(LIMIT_S),
  SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: '1',
};

/** gpt-load before these upstreams. */
export async function startOwn(
  upstreams: readonly string[],
  options: Partial<StartOptions> = {},
): Promise<Subject & { readonly own: GptLoad }> {
  const env = { ...ENV, ...options.env };
  const own = await startGptLoad({ keys: KEYS, upstreams, ...options, env });
  // The first worker answers before the others are there.
  if (options.waitUntilReady !== false) await own.waitForLog(/listening on/);
  return { port: own.port, own, [Symbol.asyncDispose]: () => own[Symbol.asyncDispose]() };
}

function nginxConfig(port: number, upstreams: readonly string[], directory: string): string {
  const servers = upstreams.map((url) => `server ${new URL(url).host};`).join(' ');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/${name};`)
    .join(' ');
  return `daemon off; master_process off; pid ${directory}/pid; error_log /dev/null;
events {} http { access_log off; ${paths}
upstream u { ${servers} keepalive 8; }
server { listen 127.0.0.1:${port}; client_max_body_size 0; client_header_timeout ${LIMIT_S}s;
client_body_timeout ${LIMIT_S}s;
location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
proxy_buffering off; proxy_connect_timeout ${LIMIT_S}s; proxy_read_timeout ${LIMIT_S}s; } } }
`;
}

function haproxyConfig(port: number, upstreams: readonly string[]): string {
  const servers = upstreams.map((url, i) => `  server s${i} ${new URL(url).host}`).join('\n');
  return `defaults
  mode http
  retries 3
  option redispatch
  timeout connect ${LIMIT_S}s
  timeout client ${LIMIT_S}s
  timeout server ${LIMIT_S}s
  timeout http-request ${LIMIT_S}s
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
${servers}
`;
}

/** A plain reverse proxy before these upstreams; undefined where it is not installed. */
export async function startOther(
  program: 'nginx' | 'haproxy',
  upstreams: readonly string[],
): Promise<Subject | undefined> {
  const env = { PATH: `${process.env.PATH}:/usr/sbin` };
  if (spawnSync('sh', ['-c', `command -v ${program}`], { env }).status !== 0) return undefined;
  const directory = mkdtempSync(join(tmpdir(), `gpt-load-${program}-`));
  const port = await freePort();
  const file = join(directory, 'config');
  const isNginx = program === 'nginx';
  const config = isNginx ? nginxConfig(port, upstreams, directory) : haproxyConfig(port, upstreams);
  writeFileSync(file, config);
  const args = isNginx ? ['-p', directory, '-e', 'stderr', '-c', file] : ['-f', file, '-db'];
  const peer = await startPeer(program, args, port);
  return {
    port,
    own: undefined,
    [Symbol.asyncDispose]: async () => {
      await peer[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Whom gpt-load blames now. */
export async function blamed(own: GptLoad): Promise<string> {
  const { body } = await own.ask('/metrics');
  const found: string[] = [];
  const failing = [...body.matchAll(/^gpt_load_upstream_consecutive_failures\{.*\} ([1-9]\d*)$/gm)];
  const gone = [...body.matchAll(/^gpt_load_upstream_available\{.*\} 0$/gm)];
  if (failing.length + gone.length > 0)
    found.push(`upstream${gone.length > 0 ? ' (ejected)' : ''}`);
  for (const [, state, count] of body.matchAll(
    /^gpt_load_keys\{.*state="(resting|blacklisted)"\} ([1-9]\d*)$/gm,
  )) {
    found.push(`${count} key${count === '1' ? '' : 's'} ${state}`);
  }
  const models = /^gpt_load_key_models_resting\{.*\} ([1-9]\d*)$/m.exec(body)?.[1];
  if (models !== undefined) found.push(`${models} key${models === '1' ? '' : 's'} for the model`);
  return found.length === 0 ? 'nobody' : found.join(', ');
}
