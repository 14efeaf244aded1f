// Puts into words what an attempt's verdict changed: keys blacklisted, resting or back, upstreams
// ejected or back. Levels and wording only; nothing here names a key beyond its preview.

import type { Logger } from '../log/log.ts';
import { reasonText } from '../policy/reason.ts';
import type { Consequence, Lease } from '../pool/lease.ts';

/** Logs each consequence of a settled lease. */
export function logConsequences(
  log: Logger,
  lease: Lease,
  consequences: readonly Consequence[],
): void {
  for (const consequence of consequences) logOne(log, lease, consequence);
}

function logOne(log: Logger, lease: Lease, consequence: Consequence): void {
  const key = lease.keyPreview;
  const upstream = lease.upstream.href;
  switch (consequence.kind) {
    case 'blacklisted': {
      const { reason, failCount } = consequence;
      log.warn('key blacklisted', {
        key,
        upstream,
        reason,
        detail: reasonText(reason),
        failures: failCount,
      });
      return;
    }
    case 'resting': {
      const { reason, model, untilMs } = consequence;
      const until = new Date(untilMs).toISOString();
      log.info('key resting', { key, upstream, model: model ?? 'all', until, reason });
      return;
    }
    case 'restored':
      log.info('key works again', { key, upstream });
      return;
    case 'upstream_ejected': {
      const { reason, untilMs } = consequence;
      const until = new Date(untilMs).toISOString();
      log.warn('upstream ejected', { upstream, until, reason, detail: reasonText(reason) });
      return;
    }
    case 'upstream_restored':
      log.info('upstream works again', { upstream });
      return;
    default:
      consequence satisfies never;
  }
}
