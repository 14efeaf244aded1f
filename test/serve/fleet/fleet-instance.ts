// An instance of a fleet as the coordinator has it, without the rest of the program: a real key
// table, and a clock of its own that may be wrong.

import { parseServerUrl } from '../../../src/config/server-url.ts';
import { createLogger } from '../../../src/log/log.ts';
import type { FleetMemory } from '../../../src/pool/fleet-memory.ts';
import { stateOf } from '../../../src/pool/table/status-word.ts';
import { FleetMember } from '../../../src/serve/fleet/fleet-member.ts';
import type { OwnBooks } from '../../../src/serve/fleet/fleet-usage.ts';
import { groupOf } from '../../pool/group-fixture.ts';
import { ANY, type LIMITS, makePool, NOW } from '../../pool/pool-fixture.ts';
import { eventually } from '../../support/eventually.ts';

export interface InstanceSetup {
  readonly url: string;
  readonly keys: readonly string[];
  readonly secret?: string;
  /** How wrong its clock is. */
  readonly skewMs?: number;
  readonly limits?: Partial<typeof LIMITS>;
  readonly capacity?: number;
  readonly books?: OwnBooks;
}

/** Of one that keeps none. */
const NO_BOOKS: OwnBooks = { book: '', takeHours: () => new Set(), rows: () => [] };

const startedMs = performance.now();
let count = 0;

export function startInstance({
  url,
  keys,
  secret = 'one',
  skewMs = 0,
  limits = {},
  capacity = 4096,
  books = NO_BOOKS,
}: InstanceSetup) {
  const pool = makePool({ keys, limits, capacity });
  let jumpedMs = 0;
  const now = () => NOW + skewMs + jumpedMs + performance.now() - startedMs;
  const group = groupOf(pool.table, pool.upstreams);
  const memory = pool.table.fleet;
  const server = parseServerUrl(url);
  if (server === undefined) throw new Error(`no server: ${url}`);
  let output = '';
  const write = (line: string) => {
    output += line;
  };
  const log = createLogger({ level: 'debug', format: 'text', colour: false, write, clock: now });
  count += 1;
  const about = { instance: `instance-${count}`, version: '1', startedAtMs: now() };
  const begin = () =>
    new FleetMember(
      { server, caFile: '', name: 'test', secret, ...about },
      { log, memory, groups: () => [group], books, now, aheadMs: () => 0 },
    );
  let member = begin();
  const { words } = pool.table.account;
  return {
    ...pool,
    now,
    /** Its clock goes on from somewhere else. */
    jump: (ms: number) => {
      jumpedMs += ms;
    },
    memory: memory as FleetMemory,
    output: () => output,
    report: () => member.report(),
    usage: (...asked: Parameters<FleetMember['usage']>) => member.usage(...asked),
    /** Settles a lease of the key that is next, as of now. */
    answer: (verdict: Parameters<typeof pool.use>[0], request = ANY) =>
      pool.use(verdict, now(), request),
    state: (row = 0) => (['ready', 'cooling', 'dead', 'vacant'] as const)[stateOf(words.low(row))],
    untilMs: (row = 0) => pool.table.buffers.epochMs + words.key(row).untilMs,
    connected: () => eventually('it is in the fleet', () => memory.state === 'connected'),
    /** Cut off from the fleet, until {@link rejoin}; what it learns meanwhile is news. */
    leave: () => member[Symbol.asyncDispose](),
    rejoin: () => {
      member = begin();
    },
    [Symbol.asyncDispose]: () => member[Symbol.asyncDispose](),
  };
}
