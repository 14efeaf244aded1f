// A worker's certificate while it runs: renewed files are served without a restart, broken ones are
// reported and change nothing. One worker speaks for all.

import type { TlsServer } from '../front/server-tls.ts';
import type { Logger } from '../log/log.ts';
import { loadTlsFiles, type TlsMaterial, TlsReloader } from '../upstream/dial/tls-files.ts';
import type { WorkerStart } from './worker-protocol.ts';

/** From so long before a certificate ends, it is warned of. */
const EXPIRY_WARNING_MS = 14 * 86_400_000;

/** The TLS server and its `reload`; undefined where plain http is served. */
export function secureServer(
  { config, tls, workerId }: WorkerStart,
  log: Logger,
  create: (tls: TlsMaterial) => TlsServer,
): (TlsServer & { reload(): void }) | undefined {
  if (tls === undefined) return undefined;
  const made = create(freshest(config, tls));
  const report = (problem: string | null, material: TlsMaterial | null): void => {
    if (workerId !== 0) return;
    if (problem !== null) log.error('TLS certificate not reloaded', { problem });
    else log.info('TLS certificate reloaded');
    if (material !== null) warnOfExpiry(log, material);
  };
  if (workerId === 0) warnOfExpiry(log, tls);
  const files = [config.tlsCertFile, config.tlsKeyFile] as const;
  const reloader = new TlsReloader(files, made.server, report);
  return { ...made, reload: () => reloader.reload() };
}

/** A worker that takes a dead one's place starts with what is in the files now, if it is whole. */
function freshest(config: WorkerStart['config'], atStart: TlsMaterial): TlsMaterial {
  try {
    return loadTlsFiles(config.tlsCertFile, config.tlsKeyFile);
  } catch {
    return atStart;
  }
}

function warnOfExpiry(log: Logger, { expiresMs }: TlsMaterial): void {
  if (expiresMs - Date.now() > EXPIRY_WARNING_MS) return;
  log.warn('the TLS certificate expires soon', { expires: new Date(expiresMs).toISOString() });
}
