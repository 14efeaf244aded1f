// Notices what an operator wants to know: a group without a usable key, newly blacklisted keys, an
// upstream that is down, and each recovery. Changes of state only, and each kind per group at most
// once a minute: what flaps in between is reported as it stands then. Sending is alert-sender.ts.

import type { Alert, AlertEvent } from '../../policy/alert-message.ts';
import { reasonText } from '../../policy/reason.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { listBlacklisted, summarise } from '../../pool/keys/key-report.ts';

/** Two messages of one kind about one group are so far apart. */
const QUIET_MS = 60_000;
/** An upstream that is back sooner was not gone. */
const GONE_AFTER_MS = 3_000;
/** Keys and upstreams that one message names. */
const MAX_NAMED = 10;

/** What was told of one thing last, and when. */
interface Told {
  isBad: boolean;
  atMs: number;
}

/** Of one group, between two looks. */
interface Seen {
  readonly keys: Told;
  readonly upstreams: Map<string, Told>;
  readonly downSinceMs: Map<string, number>;
  blacklisted: number;
  blacklistedAtMs: number;
  /** Until when newly blacklisted keys have been told. */
  toldUntilMs: number;
}

export class AlertWatch {
  readonly #seen = new Map<string, Seen>();
  readonly #startedMs: number;
  readonly #quietMs: number;

  /** @param quietMs two messages of one kind about one group are at least so far apart */
  constructor(startedMs: number, quietMs = QUIET_MS) {
    this.#startedMs = startedMs;
    this.#quietMs = quietMs;
  }

  /** Nothing was wrong when it looked last: only what fails from now on can be news. */
  get isCalm(): boolean {
    return [...this.#seen.values()].every(({ blacklisted, keys, downSinceMs, upstreams }) => {
      const isUp = downSinceMs.size === 0 && [...upstreams.values()].every(({ isBad }) => !isBad);
      return blacklisted === 0 && !keys.isBad && isUp;
    });
  }

  /** What there is to tell at `nowMs`, by the steady clock: a pass over the keys of each group. */
  look(groups: readonly GroupView[], nowMs: number): Alert[] {
    const alerts: Alert[] = [];
    const names = new Set(groups.map(({ name }) => name));
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
    for (const group of groups) {
      const seen = this.#seen.get(group.name) ?? this.#first(group, nowMs);
      const tell = (event: AlertEvent, summary: string, details: readonly string[] = []): void => {
        const at = new Date(group.table.clock.wallOf(nowMs)).toISOString();
        alerts.push({ event, group: group.name, summary, details, at });
      };
      const look = { nowMs, quietMs: this.#quietMs, tell };
      lookAtKeys(group, seen, look);
      lookAtUpstreams(group, seen, look);
    }
    return alerts;
  }

  #first(group: GroupView, nowMs: number): Seen {
    const seen: Seen = {
      keys: { isBad: false, atMs: Number.NEGATIVE_INFINITY },
      upstreams: new Map(),
      downSinceMs: new Map(),
      // What an earlier run has learned is no news.
      blacklisted: summarise(group.table, nowMs).blacklisted,
      blacklistedAtMs: Number.NEGATIVE_INFINITY,
      toldUntilMs: Math.max(this.#startedMs, nowMs - QUIET_MS),
    };
    this.#seen.set(group.name, seen);
    return seen;
  }
}

type Tell = (event: AlertEvent, summary: string, details?: readonly string[]) => void;

/** One look: when, how far apart messages are, and whom to tell. */
interface Look {
  readonly nowMs: number;
  readonly quietMs: number;
  readonly tell: Tell;
}

function lookAtKeys(group: GroupView, seen: Seen, { nowMs, quietMs, tell }: Look): void {
  const { total, healthy, blacklisted, resting } = summarise(group.table, nowMs);
  const named = `group ${group.name}`;
  const counts = `${healthy} of ${total} keys are healthy, ${blacklisted} blacklisted, ${resting} resting`;
  const isBad = total > 0 && healthy === 0;
  if (isNews(seen.keys, isBad, nowMs, quietMs)) {
    if (isBad) tell('no_usable_key', `${named} has no usable key`, [counts]);
    else tell('usable_key_back', `${named} has a usable key again`, [counts]);
  }
  if (blacklisted === seen.blacklisted || nowMs - seen.blacklistedAtMs < quietMs) return;
  if (blacklisted > seen.blacklisted) {
    const fresh = listBlacklisted(group.table, Number.POSITIVE_INFINITY).filter((key) => {
      return group.table.clock.steadyOf(key.blacklistAtMs) > seen.toldUntilMs;
    });
    const lines = fresh.slice(0, MAX_NAMED).map(({ preview, name, reason }) => {
      return `${preview}${name === '' ? '' : ` (${name})`}: ${reasonText(reason)}`;
    });
    const more = fresh.length - lines.length;
    if (more > 0) lines.push(`and ${more} more`);
    const count = blacklisted - seen.blacklisted;
    const what = count === 1 ? '1 key was blacklisted' : `${count} keys were blacklisted`;
    tell('keys_blacklisted', `${named}: ${what}`, [...lines, counts]);
  } else {
    const count = seen.blacklisted - blacklisted;
    const what = count === 1 ? '1 key is' : `${count} keys are`;
    tell('keys_restored', `${named}: ${what} no longer blacklisted`, [counts]);
  }
  seen.blacklisted = blacklisted;
  seen.blacklistedAtMs = nowMs;
  seen.toldUntilMs = nowMs;
}

function lookAtUpstreams(group: GroupView, seen: Seen, { nowMs, quietMs, tell }: Look): void {
  const { list } = group.upstreams;
  for (let index = 0; index < list.count; index++) {
    const { href } = group.upstreams.get(index);
    const isUp = group.upstreams.status(index).state === 'closed';
    if (isUp) seen.downSinceMs.delete(href);
    const sinceMs = seen.downSinceMs.get(href) ?? nowMs;
    if (!isUp) seen.downSinceMs.set(href, sinceMs);
    const told = seen.upstreams.get(href) ?? { isBad: false, atMs: Number.NEGATIVE_INFINITY };
    seen.upstreams.set(href, told);
    const isBad = !isUp && (told.isBad || nowMs - sinceMs >= GONE_AFTER_MS);
    if (!isNews(told, isBad, nowMs, quietMs)) continue;
    const named = `group ${group.name}: upstream ${href}`;
    if (isBad) tell('upstream_gone', `${named} does not answer`);
    else tell('upstream_back', `${named} answers again`);
  }
}

/** Whether a state is to be told; if so it counts as told. */
function isNews(told: Told, isBad: boolean, nowMs: number, quietMs: number): boolean {
  if (told.isBad === isBad || nowMs - told.atMs < quietMs) return false;
  told.isBad = isBad;
  told.atMs = nowMs;
  return true;
}
