// What happens to gpt-load itself and to the machine under it: deaths, disks, files, descriptors,
// memory, the clock. A plain reverse proxy has no state and no keys to lose, so it is not asked.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import type { GptLoad, StartOptions } from '../support/start-gpt-load.ts';
import {
  chatBytes,
  JSON_BODY,
  type Line,
  recovery,
  type Scenario,
  STREAM_BODY,
  seen,
  summed,
} from './scenario.ts';
import { blamed, startOwn } from './subject.ts';

const PRELOADS = join(import.meta.dirname, '../support');
const BYTES = chatBytes(JSON_BODY);
const RETRY_AFTER_S = 3;
/** Between the events of a stream; so slow that all have begun, and none is over, by then. */
const PACE_MS = 100;
const BEGUN_MS = 400;

interface OwnFault {
  readonly name: string;
  readonly options?: (directory: string) => Partial<StartOptions>;
  /** A file system of its own in the directory `disk`, with these options of mount. */
  readonly disk?: string;
  /** What happens once it serves. */
  readonly happens?: (own: GptLoad) => void | Promise<void>;
  /** The requests during which it happens; default four, one after the other, afterwards. */
  readonly requests?: (own: GptLoad, happens: () => Promise<void>) => Promise<string[]>;
  /** It is over. */
  readonly ends?: (own: GptLoad) => void | Promise<void>;
  /** What becomes of it, where it is not to get well. */
  readonly note?: string;
}

async function inTurn(own: GptLoad, count = 4): Promise<string[]> {
  const all: string[] = [];
  for (let i = 0; i < count; i += 1) all.push(await seen(own.port, BYTES));
  return all;
}

async function afterwards(own: GptLoad, happens: () => Promise<void>): Promise<string[]> {
  await happens();
  return await inTurn(own);
}

function atOnce(own: GptLoad, count: number, bytes: Buffer): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, () => seen(own.port, bytes)));
}

const during =
  (count: number, body: string) => async (own: GptLoad, happens: () => Promise<void>) => {
    const all = atOnce(own, count, chatBytes(body));
    await sleep(BEGUN_MS);
    await happens();
    return await all;
  };

const preload = (name: string) => ({ NODE_OPTIONS: `--import=${join(PRELOADS, name)}` });
const write = (name: string, text: string) => (own: GptLoad) =>
  writeFileSync(join(own.directory, name), text);
const reread = async (own: GptLoad) => {
  own.signal('SIGHUP');
  await sleep(500);
};
const clock = (ms: number): Omit<OwnFault, 'name'> => ({
  options: () => ({
    keys: ['sk-test-limited9-clock-0123456789abcdef'],
    env: preload('clock-shifter.ts'),
    fromSources: true,
  }),
  happens: async (own) => {
    await seen(own.port, BYTES);
    write('clock-shift', String(ms))(own);
    await sleep(200);
  },
  requests: async (own, happens) => {
    await happens();
    return await inTurn(own, 2);
  },
});

const keepState = (env: Record<string, string> = {}) => ({
  env: { STATE_FILE: 'state.db', ...env },
});
const HOARD: ReturnType<typeof connect>[] = [];

const FAULTS: readonly OwnFault[] = [
  {
    name: 'one of two workers dies under 8 streams (from the sources)',
    options: () => ({ fromSources: true, env: { WORKERS: '2', ...preload('worker-killer.ts') } }),
    happens: write('kill-worker', ''),
    requests: during(8, STREAM_BODY),
  },
  {
    name: 'SIGKILL under 8 streams',
    options: () => keepState(),
    happens: (own) => own.signal('SIGKILL'),
    requests: during(8, STREAM_BODY),
    ends: (own) => own.stop(null as unknown as number),
    note: 'its supervisor restarts it',
  },
  {
    name: 'SIGTERM under 8 streams',
    happens: (own) => own.signal('SIGTERM'),
    requests: during(8, STREAM_BODY),
    note: 'drains, then exits',
  },
  {
    name: 'the state file is garbage',
    options: () => ({ ...keepState(), files: { 'state.db': 'no!'.repeat(999) } }),
  },
  {
    name: 'the state file is locked by another program',
    options: (directory) => {
      const path = join(directory, 'state.db');
      new DatabaseSync(path).exec('CREATE TABLE t (x); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)');
      return keepState({ STATE_FILE: path });
    },
  },
  {
    name: 'the state file is on a full disk',
    disk: 'size=16k',
    options: (directory) => keepState({ STATE_FILE: join(directory, 'disk/state.db') }),
  },
  {
    name: 'the state file is on a read-only disk',
    disk: 'ro',
    options: (directory) => keepState({ STATE_FILE: join(directory, 'disk/state.db') }),
  },
  {
    name: 'the log is on a full disk',
    options: () => ({ env: { LOG_ENABLE_FILE: 'true', LOG_FILE_PATH: '/dev/full' } }),
  },
  {
    name: 'the log is on a read-only disk',
    disk: 'ro',
    options: (directory) => ({
      env: { LOG_ENABLE_FILE: 'true', LOG_FILE_PATH: join(directory, 'disk/app.log') },
    }),
  },
  {
    name: 'the log is a pipe that nobody reads',
    options: (directory) => {
      spawnSync('mkfifo', [join(directory, 'pipe')]);
      return { env: { LOG_ENABLE_FILE: 'true', LOG_FILE_PATH: join(directory, 'pipe') } };
    },
  },
  {
    name: '64 descriptors and 80 clients',
    options: () => ({ openFiles: 64 }),
    happens: async (own) => {
      for (let i = 0; i < 80; i += 1) {
        HOARD.push(connect(own.port, '127.0.0.1').on('error', () => {}));
      }
      await sleep(300);
    },
    ends: () => {
      for (const socket of HOARD.splice(0)) socket.destroy();
    },
  },
  {
    name: 'a heap of 48 MB and ten uploads of 20 MB at once (from the sources)',
    options: () => ({ fromSources: true, env: { NODE_OPTIONS: '--max-old-space-size=48' } }),
    requests: (own) => atOnce(own, 10, chatBytes(`{"a":"${'x'.repeat(20_000_000)}"}`)),
  },
  {
    name: '300 concurrent clients where 100 are allowed',
    options: () => ({ keys: ['sk-test-slow300-many-0123456789abcdef'] }),
    requests: (own) => atOnce(own, 300, BYTES),
  },
  {
    name: 'the key file is removed',
    happens: async (own) => {
      unlinkSync(join(own.directory, 'keys.txt'));
      await reread(own);
    },
    ends: (own) => own.writeKeys(['sk-test-good-again-0123456789abcdef']),
  },
  {
    name: 'the key file is emptied',
    happens: async (own) => {
      write('keys.txt', '')(own);
      await reread(own);
    },
    ends: (own) => own.writeKeys(['sk-test-good-again-0123456789abcdef']),
  },
  {
    name: 'the key file becomes binary data',
    happens: async (own) => {
      write('keys.txt', '\x89PNG\r\n\x1a\n\0\0\0')(own);
      await reread(own);
    },
    ends: (own) => own.writeKeys(['sk-test-good-again-0123456789abcdef']),
  },
  {
    name: 'gpt-load.toml becomes nonsense',
    happens: async (own) => {
      write('gpt-load.toml', '[[[')(own);
      await reread(own);
    },
  },
  {
    name: `the clock is set back by an hour while a key rests ${RETRY_AFTER_S} s (from the sources)`,
    ...clock(-3_600_000),
  },
  {
    name: `the clock is set forward by an hour while a key rests ${RETRY_AFTER_S} s (from the sources)`,
    ...clock(3_600_000),
  },
];

async function run(fault: OwnFault): Promise<Line> {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-fault-'));
  const disk = join(directory, 'disk');
  mkdirSync(disk);
  const mount = ['-t', 'tmpfs', '-o', fault.disk ?? '', 'none', disk];
  if (fault.disk !== undefined && spawnSync('mount', mount).status !== 0) {
    throw new Error('a disk can be mounted by root only');
  }
  await using upstream = await startScriptedUpstream({
    retryAfterS: RETRY_AFTER_S,
    paceMs: PACE_MS,
  });
  const start = startOwn([upstream.url], fault.options?.(directory) ?? {});
  try {
    await using subject = await start;
    const { own } = subject;
    const happens = async () => fault.happens?.(own);
    const requests = fault.requests ?? afterwards;
    const all = await requests(own, happens);
    const lost = all.filter((what) => what !== '200').length;
    const isGone = fault.note !== undefined;
    const who = isGone ? 'nobody' : await blamed(own).catch(() => 'cannot be asked');
    await fault.ends?.(own);
    const again = isGone ? (fault.note ?? '') : await recovery(own.port, BYTES);
    return { saw: summed(all), blamed: who, lost: `${lost} of ${all.length}`, recovery: again };
  } finally {
    for (const socket of HOARD.splice(0)) socket.destroy();
    if (fault.disk !== undefined) spawnSync('umount', ['-l', disk]);
    rmSync(directory, { recursive: true, force: true });
  }
}

export const ownFaults: readonly Scenario[] = FAULTS.map((fault) => ({
  area: 'gpt-load and its machine',
  name: fault.name,
  run: () => run(fault),
}));
