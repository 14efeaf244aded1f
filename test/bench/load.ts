// The load generator, in a process of its own: bare sockets and prepared bytes, so that it can ask
// more than anything measured can answer. Does one job at a time for its parent.

import { ClientConnection } from './client-connection.ts';
import type { LoadJob, LoadResult } from './load-job.ts';
import { requestBytes } from './messages.ts';

type Job<K extends LoadJob['kind']> = Extract<LoadJob, { kind: K }>;

/** Streams are opened so many at a time, as no listen queue takes thousands at once. */
const OPENING_AT_ONCE = 50;
/** Requests of a rate that wait for a free connection; beyond it they count as failed. */
const MAX_WAITING = 10_000;
const TICK_MS = 1;
/** After the last request of a rate was due, its answer may take so long. */
const GRACE_MS = 5_000;

const held: ClientConnection[] = [];

/** Connections that work for `durationMs`, and then finish what they began. */
function requests(job: Job<'requests'>): Promise<LoadResult> {
  const request = requestBytes(job.deed ?? 'small');
  const startMs = performance.now();
  const count = job.count ?? Number.POSITIVE_INFINITY;
  const connections = Array.from({ length: job.connections }, () => new ClientConnection(job.port));
  let begun = connections.length;
  let done = 0;
  let failed = 0;
  let open = connections.length;
  let isOver = false;
  setTimeout(() => {
    isOver = true;
  }, job.durationMs);
  return new Promise((resolve) => {
    for (const connection of connections) {
      connection.onEnd = (ending) => {
        if (ending === 'done') done += 1;
        else failed += 1;
        if (!isOver && ending === 'done' && begun < count) {
          begun += 1;
          return connection.send(request);
        }
        connection.destroy();
        open -= 1;
        const elapsedMs = performance.now() - startMs;
        if (open === 0) resolve({ done, failed, elapsedMs, latenciesMs: [] });
      };
      connection.send(request);
    }
  });
}

function rate(job: Job<'rate'>): Promise<LoadResult> {
  const request = requestBytes('small');
  const free = Array.from({ length: job.connections }, () => new ClientConnection(job.port));
  const all = [...free];
  const total = Math.round((job.durationMs * job.perSecond) / 1000);
  const waiting: number[] = [];
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  let due = 0;
  let failed = 0;
  const give = (connection: ClientConnection, dueMs: number): void => {
    connection.onEnd = (ending) => {
      if (ending === 'done') latenciesMs.push(performance.now() - dueMs);
      else failed += 1;
      const next = waiting.shift();
      if (ending === 'done' && next !== undefined) give(connection, next);
      else if (ending === 'done') free.push(connection);
    };
    connection.send(request);
  };
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const nowMs = performance.now();
      const reached = Math.min(total, ((nowMs - startMs) * job.perSecond) / 1000);
      for (; due < reached; due += 1) {
        // The one that rested longest: all connections take part.
        const connection = free.shift();
        if (connection !== undefined) give(connection, nowMs);
        else if (waiting.length < MAX_WAITING) waiting.push(nowMs);
        else failed += 1;
      }
      const isLate = nowMs - startMs > job.durationMs + GRACE_MS;
      if (latenciesMs.length + failed < total && !isLate) return;
      clearInterval(timer);
      for (const connection of all) connection.destroy();
      const done = latenciesMs.length;
      resolve({ done, failed: total - done, elapsedMs: nowMs - startMs, latenciesMs });
    }, TICK_MS);
  });
}

async function streams(job: Job<'streams'>): Promise<LoadResult> {
  const request = requestBytes(job.deed, job.events);
  const startMs = performance.now();
  const endings = await Promise.all(
    Array.from({ length: job.streams }, async () => {
      const connection = new ClientConnection(job.port);
      const { promise, resolve } = Promise.withResolvers<string>();
      connection.onEnd = resolve;
      connection.send(request);
      const ending = await promise;
      connection.destroy();
      return ending;
    }),
  );
  const done = endings.filter((ending) => ending === 'done').length;
  const elapsedMs = performance.now() - startMs;
  return { done, failed: endings.length - done, elapsedMs, latenciesMs: [] };
}

async function hold(job: Job<'hold'>): Promise<LoadResult> {
  const request = requestBytes('hold');
  const startMs = performance.now();
  let failed = 0;
  const before = held.length;
  const openOne = async (): Promise<void> => {
    const connection = new ClientConnection(job.port);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    connection.onFirstBody = () => resolve(true);
    connection.onEnd = () => resolve(false);
    connection.send(request);
    if (await promise) held.push(connection);
    else failed += 1;
  };
  for (let opened = 0; opened < job.streams; opened += OPENING_AT_ONCE) {
    const count = Math.min(OPENING_AT_ONCE, job.streams - opened);
    await Promise.all(Array.from({ length: count }, openOne));
  }
  const elapsedMs = performance.now() - startMs;
  return { done: held.length - before, failed, elapsedMs, latenciesMs: [] };
}

function release(): LoadResult {
  for (const connection of held) connection.destroy();
  return { done: held.splice(0).length, failed: 0, elapsedMs: 0, latenciesMs: [] };
}

function work(job: LoadJob): Promise<LoadResult> | LoadResult {
  switch (job.kind) {
    case 'requests':
      return requests(job);
    case 'rate':
      return rate(job);
    case 'streams':
      return streams(job);
    case 'hold':
      return hold(job);
    case 'release':
      return release();
    default:
      return job satisfies never;
  }
}

process.on('message', async (job: LoadJob) => process.send?.(await work(job)));
process.once('disconnect', () => process.exit());
