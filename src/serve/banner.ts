// What is logged at startup: where it listens, for which upstreams, with how many keys; and,
// loudly, when anyone could use these keys. Wording only.

import type { Config } from '../config/config.ts';
import type { Grouping } from '../config/grouping.ts';
import { isAnyAddress, type ListenAddress, listenUrl } from '../front/listen-address.ts';
import type { Logger } from '../log/log.ts';
import type { Upstream } from '../pool/upstreams/upstream-list.ts';
import type { Identity } from './runtime.ts';

const LOOPBACK = /^(?:127\.|localhost$|::1$|\[::1\]$|unix:)/;

/** ALLOWED_ORIGINS=* lets any page that somebody in this network looks at send requests here. */
const ANY_PAGE =
  '; with ENABLE_CORS and ALLOWED_ORIGINS=*, so can any web page that is opened there';

/** Logs the banner. */
export function tellStart(
  log: Logger,
  config: Config,
  facts: { address: ListenAddress; keys: number; grouping: Grouping; identity: Identity },
): void {
  const { address, keys, identity } = facts;
  const { groups, clients, file } = facts.grouping;
  const isOpen = clients.length === 0;
  const url = listenUrl(address, config.tlsCertFile !== '');
  log.info(`gpt-load ${identity.version} listening on ${url}`, {
    keys,
    groups: file === undefined ? undefined : groups.map(({ name }) => name).join(','),
    clients: file === undefined ? undefined : clients.length,
    upstreams: file === undefined ? config.upstreams.join(',') : undefined,
    workers: config.workers,
    max_concurrent: config.maxConcurrentRequests,
    max_retries: config.maxRetries,
    auth: isOpen ? 'none' : config.authKey === '' ? 'clients' : 'AUTH_KEY',
    page: address.kind === 'tcp' ? pageUrl(address, config) : undefined,
    node: identity.node,
  });
  if (config.authKey === '' && !isOpen && !LOOPBACK.test(config.host)) {
    log.warn(
      'AUTH_KEY is empty and HOST is public: /stats, /config, /reset-keys and the like ' +
        'require no key; set AUTH_KEY',
      { host: config.host },
    );
  }
  if (isOpen && !LOOPBACK.test(config.host)) {
    const anyPage = config.enableCors && config.allowedOrigins.includes('*');
    log.warn(
      'ANYONE WHO CAN REACH THIS PORT CAN SPEND YOUR API KEYS: AUTH_KEY is empty and HOST is public; ' +
        `set AUTH_KEY, or HOST=127.0.0.1${anyPage ? ANY_PAGE : ''}`,
      { host: config.host },
    );
  }
}

/** Where a browser on this machine finds the page: it opens no 0.0.0.0. */
function pageUrl(address: ListenAddress & { kind: 'tcp' }, { tlsCertFile }: Config): string {
  const host = isAnyAddress(address.host) ? 'localhost' : address.host;
  return `${listenUrl({ ...address, host }, tlsCertFile !== '')}/dashboard`;
}

/** Descriptors that the program itself needs: files, pipes, threads, what listens. */
const OWN_DESCRIPTORS = 64;

/** Says that the limit of open files is too low for so many requests, each with two sockets. */
export function tellDescriptors(log: Logger, maxConcurrent: number, limit: number): void {
  const needed = 2 * maxConcurrent + OWN_DESCRIPTORS;
  if (limit >= needed) return;
  log.warn(
    'the open file limit is too low for MAX_CONCURRENT_REQUESTS; raise it (ulimit -n, LimitNOFILE=)',
    { limit, needed, max_concurrent: maxConcurrent },
  );
}

/** What was read at the start and is not as it seems. @param unused sockets that nobody serves */
export function tellWarnings(log: Logger, warnings: readonly string[], unused: number): void {
  for (const warning of warnings) log.warn(warning);
  if (unused > 0) log.warn('systemd passed several sockets; only the first is used', { unused });
}

/** Says loudly that an upstream rejects every key: hardly all of them died at once. */
export function tellSuspects(log: Logger, suspects: readonly Upstream[]): void {
  for (const { href } of suspects) {
    log.error(
      'EVERY KEY WAS REJECTED WITHIN A MINUTE: suspect the base URL, the account or the network, not the keys; ' +
        'probing them once a minute',
      { upstream: href },
    );
  }
}
