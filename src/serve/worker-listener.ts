// A worker's server from listening to drained: what the coordinator's messages do to it. A drain
// means no new connections, running requests end, idle connections close.

import { chmodSync } from 'node:fs';
import type { Server } from 'node:http';
import type { MessagePort } from 'node:worker_threads';
import type { ListenAddress } from '../front/listen-address.ts';
import type { ListsOfModels } from '../front/model-list.ts';
import type { Logger } from '../log/log.ts';
import type { CoordinatorRequests } from './coordinator-requests.ts';
import type {
  FromWorker,
  ReloadReport,
  ServedStart,
  ToWorker,
  WorkerStart,
} from './worker-protocol.ts';

/** While draining, connections that fell idle are closed this often. */
const DRAIN_SWEEP_MS = 100;
/** The last requests' access lines are on their way to the coordinator. */
const LAST_LINES_MS = 20;
/** Connections that wait to be accepted; the kernel caps it at net.core.somaxconn. */
const BACKLOG = 4096;

interface Parts {
  readonly port: MessagePort;
  readonly log: Logger;
  readonly resets: CoordinatorRequests<ReloadReport>;
  readonly models: CoordinatorRequests<ListsOfModels>;
  readonly questions: CoordinatorRequests<unknown>;
  /** Ends what would not end by itself. */
  readonly onDrain: () => void;
  /** The last request is over. */
  readonly onDrained: () => void;
  /** Serves other groups and clients from now on. */
  readonly onServe: (served: ServedStart) => void;
  /** Reads the certificate again. */
  readonly reloadTls: () => void;
}

/** Listens and obeys the coordinator until drained; then the thread ends. */
export function serveOn(server: Server, start: WorkerStart, parts: Parts): void {
  const { port, log, resets, models, questions } = parts;
  const { onServe, onDrain, onDrained, reloadTls } = parts;
  const tell = (message: FromWorker): void => port.postMessage(message);
  server.on('error', (error) => tell({ kind: 'listen_failed', message: error.message }));
  server.listen(listenOptions(start.address, start.reusePort), () => {
    const refused = start.address.kind === 'unix' ? setMode(start.address.path, start) : undefined;
    if (refused !== undefined) return tell({ kind: 'listen_failed', message: refused });
    const address = server.address();
    tell({ kind: 'listening', port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
  });
  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'reloaded':
        return resets.answered(message.id, message.report);
      case 'answer':
        return questions.answered(message.id, message.answer);
      case 'models':
        return models.answered(message.id, message.lists);
      case 'start':
        return;
      case 'serve':
        return onServe(message.served);
      case 'reload_tls':
        return reloadTls();
      case 'drain':
        onDrain();
        return drain(server, () => {
          onDrained();
          tell({ kind: 'drained' });
        });
      default:
        return message satisfies never;
    }
  });
  process.on('uncaughtException', (error) => log.error('unexpected error (worker)', { error }));
}

/** Gives a socket's file its permissions; what stood in the way, if something did. */
function setMode(path: string, { config }: WorkerStart): string | undefined {
  try {
    chmodSync(path, config.unixSocketMode);
    return undefined;
  } catch (error) {
    return `UNIX_SOCKET_MODE: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function drain(server: Server, done: () => void): void {
  const sweep = setInterval(() => server.closeIdleConnections(), DRAIN_SWEEP_MS);
  server.close(() => {
    clearInterval(sweep);
    setTimeout(done, LAST_LINES_MS);
  });
  server.closeIdleConnections();
}

function listenOptions(address: ListenAddress, reusePort: boolean) {
  switch (address.kind) {
    case 'tcp':
      return { host: address.host, port: address.port, reusePort, backlog: BACKLOG };
    case 'unix':
      return { path: address.path, backlog: BACKLOG };
    case 'fd':
      return { fd: address.fd };
  }
}
