// Whose fault an answer or a fault is (DESIGN 4). The rules are rules.ts's data; this file only applies them.

import type { Reason } from './reason.ts';
import type { AnswerContext } from './retry-after.ts';
import { retryAfterMs } from './retry-after.ts';
import type { AnswerView, Fault, FaultCode, Verdict } from './verdict.ts';

/** Blame for an answer: a status with a bounded prefix of its body, or the error that a 200 stream opened with. */
export function classify(answer: AnswerView, context: AnswerContext): Verdict {
  if (answer.status < 400 && !answer.inStream) return { kind: 'success' };
  return {
    kind: 'upstream_fault',
    reason: 'server_error',
    retryAfterMs: retryAfterMs(answer, context),
    ambiguous: false,
    route: false,
  };
}

type UpstreamFault = Extract<Verdict, { kind: 'upstream_fault' }>;

const FAULTS: Readonly<Record<FaultCode, { reason: Reason; timeout?: true; route?: true }>> = {
  dns: { reason: 'dns_failed' },
  connect: { reason: 'connect_failed' },
  connect_timeout: { reason: 'connect_timeout' },
  tls: { reason: 'tls_failed' },
  route: { reason: 'route_failed', route: true },
  reset: { reason: 'connection_reset' },
  stale_socket: { reason: 'stale_connection' },
  refused_stream: { reason: 'stream_refused' },
  headers_timeout: { reason: 'headers_timeout', timeout: true },
  total_timeout: { reason: 'total_timeout', timeout: true },
  idle_timeout: { reason: 'idle_timeout', timeout: true },
  first_event_timeout: { reason: 'first_event_timeout', timeout: true },
  protocol: { reason: 'protocol_error' },
  client_left: { reason: 'client_left' },
  shutdown: { reason: 'shutdown' },
};

/** Blame for an attempt that ended without a usable answer. */
export function classifyFault(fault: Fault): Verdict {
  const { reason, timeout, route } = FAULTS[fault.code];
  if (fault.code === 'client_left' || fault.code === 'shutdown') return { kind: 'excluded', reason };
  const verdict: UpstreamFault = {
    kind: 'upstream_fault',
    reason,
    retryAfterMs: null,
    // After a timeout the model may still be working, and billing; a closed connection ends its work.
    ambiguous: timeout === true && fault.sent,
    route: route === true,
  };
  return verdict;
}
