// `gpt-load demo`: a mock provider, a handful of keys that fail in different ways, and the
// real proxy between. Assembles and narrates; nothing here is special to the proxy, which runs as
// `serve` runs it.

import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { paintFor } from '../demo/narration.ts';
import { isAnyAddress } from '../front/listen-address.ts';
import { createHttpServer } from '../front/server.ts';
import { serve } from '../serve/serve.ts';
import type { CommandRuntime } from './command-runtime.ts';
import { groupsStage } from './demo-groups.ts';
import { plainStage } from './demo-stage.ts';
import { liven } from './demo-traffic.ts';

/** Pause between the words of a streamed answer: slow enough to see them come. */
const paceMs = 60;
/** Rest that the rate limited key is told to take, in seconds. */
const retryAfterS = 10;
/** The default of PORT: taken by something else, the next free one does as well. */
const defaultPort = 3000;
const maxPortsTried = 50;
/** How long Ctrl-C waits for a stream that is under way. */
const graceMs = 3000;

/**
 * Runs until SIGINT or SIGTERM; resolves to the exit code of `serve` (0 after a signal), or 1 when
 * the port is taken. Of the configuration, upstreams, keys and credentials are replaced by the
 * demo's own.
 * @param options `groups`: two providers, a fallback and two clients in place of one provider
 */
export async function demo(
  given: Config,
  runtime: CommandRuntime,
  options: { readonly groups: boolean },
): Promise<number> {
  const config = demoConfig(given, runtime.env.HOST !== undefined);
  const { terminal } = runtime;
  const paint = paintFor(runtime.colour);
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-demo-'));
  const removeKeys = () => rmSync(directory, { recursive: true, force: true });
  // A second Ctrl-C ends the process on the spot; the key file must not outlive that either.
  process.once('exit', removeKeys);
  try {
    const stageOf = options.groups ? groupsStage : plainStage;
    await using stage = await stageOf({ directory, terminal, paint, paceMs, retryAfterS });
    const port = await freePort(config);
    if (port === undefined) {
      terminal.complain(
        `gpt-load demo: PORT: ${config.port} is already in use; set PORT to a free one\n`,
      );
      return 1;
    }
    const url = `http://${urlHost(config.host)}:${port}`;
    const onReady = () => {
      terminal.write(
        `${paint(`Open ${url}/dashboard in a browser`, 'bold')}\n\n${stage.opening(url)}`,
      );
      // The narration is an extra: whatever ends it early, the demo goes on.
      stage
        .warmUp(url)
        .then(() => liven(url, terminal))
        .catch(() => {});
    };
    const { own, readGrouping } = stage;
    return await serve({ ...config, ...own, port }, { ...runtime, readGrouping, onReady });
  } finally {
    removeKeys();
    process.off('exit', removeKeys);
  }
}

/**
 * A configuration that is somebody's real one must lend the demo neither its upstream nor its
 * secrets.
 */
function demoConfig(config: Config, isHostGiven: boolean): Config {
  const isAddress = isHostGiven && !config.host.startsWith('unix:');
  return {
    ...config,
    // Nobody but this machine's users, unless that was asked for.
    host: isAddress ? config.host : '127.0.0.1',
    stateFile: '',
    configFile: '',
    authKey: '',
    tlsCertFile: '',
    tlsKeyFile: '',
    proxies: { http: '', https: '', all: '', no: [], upstreams: [] },
    // The narration says the same in plainer words; any other level was asked for.
    logLevel: config.logLevel === 'info' ? 'error' : config.logLevel,
    gracefulShutdownTimeoutMs: Math.min(config.gracefulShutdownTimeoutMs, graceMs),
  };
}

/** The configured port, or for the default one the next free; undefined when there is none. */
async function freePort({ port: first, host }: Config): Promise<number | undefined> {
  const last = first === defaultPort ? first + maxPortsTried : first;
  for (let port = first; port <= last; port += 1) {
    const free = await listenBriefly(port, host);
    if (free !== undefined) return free;
  }
  return undefined;
}

/**
 * Without the port sharing that would let two programs have it. Resolves to the port: PORT=0 means
 * any.
 */
function listenBriefly(port: number, host: string): Promise<number | undefined> {
  const probe = createHttpServer({ readTimeoutMs: 1000, idleTimeoutMs: 1000 }, () => {});
  return new Promise((resolve) => {
    probe.once('error', () => resolve(undefined));
    probe.listen({ port, host }, () => {
      const { port: bound } = probe.address() as AddressInfo;
      probe.close(() => resolve(bound));
    });
  });
}

function urlHost(host: string): string {
  if (isAnyAddress(host)) return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
