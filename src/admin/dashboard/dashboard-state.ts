// What the page knows: one whole answer for the first paint, and once a second what may have
// changed, from shared memory. Names, counts and states; never a key.

import type { Counters } from '../../pool/counts/counters.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { summarise } from '../../pool/keys/key-report.ts';

export interface LiveSources {
  readonly counters: Counters;
  /** As they are now. */
  readonly groups: () => readonly GroupView[];
  /** Memory of all workers' vitals. */
  readonly vitals: SharedArrayBuffer;
  /** Milliseconds by the steady clock, on which keys rest. */
  readonly now: () => number;
}

/** What changes from second to second. Times: Unix seconds. */
export function liveState({ counters, groups, now }: LiveSources, wallMs: number) {
  const { totals, gauges } = counters.sum();
  return {
    at: wallMs / 1000,
    requests: totals.requests,
    failed: totals.failed,
    in_flight: gauges.inFlight,
    streams: gauges.openStreams,
    groups: groups().map((group) => liveGroup(group, now())),
  };
}

export type LiveState = ReturnType<typeof liveState>;

function liveGroup(group: GroupView, nowMs: number) {
  const { total, healthy, resting, blacklisted, atLimit, restingForModel } = summarise(
    group.table,
    nowMs,
  );
  return {
    name: group.name,
    keys: { total, healthy, resting, blacklisted, at_limit: atLimit, model_rests: restingForModel },
    upstreams: Array.from({ length: group.upstreams.list.count }, (_, index) => {
      const { state, failures, suspect, untilMs } = group.upstreams.status(index);
      return {
        href: group.upstreams.get(index).href,
        up: state === 'closed',
        suspect,
        failures,
        until: untilMs === 0 ? null : untilMs / 1000,
      };
    }),
  };
}
