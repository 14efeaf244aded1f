// The trail of one request as /requests shows it: the names and units of its fields.

import type { Trail, TrailAttempt, TrailChange } from '../log/trail.ts';

/** What is not known is left out, or null where a number is expected. */
export function shownTrail(trail: Trail): object {
  const { tokens } = trail;
  return {
    id: trail.id,
    time: new Date(trail.atMs).toISOString(),
    client: trail.client,
    client_name: trail.clientName,
    group: trail.groupName,
    method: trail.method,
    path: trail.path,
    model: trail.model ?? null,
    stream: trail.streamed,
    status: trail.status,
    error_code: trail.refusal,
    ended: trail.ended,
    first_byte_ms: trail.firstByteMs,
    total_ms: trail.totalMs,
    waited_ms: trail.waitedMs,
    bytes_in: trail.bytesIn,
    bytes_out: trail.bytesOut,
    tokens: tokens && {
      input: tokens.input,
      cached: tokens.cached,
      cache_write: tokens.cacheWrite,
      output: tokens.output,
      reasoning: tokens.reasoning,
    },
    attempts: trail.attempts.map((attempt, at) => {
      return shownAttempt(attempt, trail.attempts[at - 1]?.waitedMs ?? 0);
    }),
  };
}

function shownAttempt(attempt: TrailAttempt, waitedBeforeMs: number): object {
  const [verdict, reason] = attempt.verdict.split(' ', 2);
  return {
    key: attempt.key,
    upstream: attempt.upstream,
    status: attempt.status === 0 ? null : attempt.status,
    verdict,
    reason,
    rule: attempt.rule,
    code: attempt.code,
    after_ms: Math.max(0, attempt.endMs - attempt.ms),
    ms: attempt.ms,
    waited_ms: attempt.waitedMs - waitedBeforeMs,
    changes: attempt.changes.length === 0 ? undefined : attempt.changes.map(shownChange),
  };
}

function shownChange({ kind, model, untilMs }: TrailChange): object {
  return {
    kind,
    model: model === null ? 'all' : model,
    until: untilMs === undefined ? undefined : new Date(untilMs).toISOString(),
  };
}
