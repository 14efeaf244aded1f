// One attempt: sends the request with a leased key and finds out what the result means. Holds an
// answer back until that is certain: an error's bounded prefix, a stream's first real event.
// Whether to go again is not decided here.

import { AwsFirstEventScanner } from '../policy/answers/aws-first-event.ts';
import { classify, classifyFault } from '../policy/answers/classify.ts';
import {
  type FirstEvent,
  FirstEventScanner,
  refusedByHead,
} from '../policy/answers/first-event.ts';
import { fieldValue, responseFields } from '../policy/headers.ts';
import { redactExact } from '../policy/redact.ts';
import type { Fault, FaultCode, Verdict } from '../policy/verdict.ts';
import type { Lease } from '../pool/lease.ts';
import type { Deadlines } from '../upstream/deadlines.ts';
import { faultMessage } from '../upstream/faults.ts';
import type {
  Outcome,
  Transport,
  UpstreamAnswer,
  UpstreamCall,
  UpstreamRequest,
} from '../upstream/transport.ts';
import { ERROR_BODY_WAIT_MS, HeldAnswer } from './answer/held-answer.ts';
import type { Exchange } from './exchange.ts';
import type { Plan } from './plan.ts';

/** Without FIRST_EVENT_TIMEOUT a stream is held no longer than this. */
const FIRST_EVENT_HOLD_MS = 1_000;

/** How an attempt ended: a verdict, with the held answer or the fault that it is about. */
export interface Judged {
  readonly verdict: Verdict;
  readonly held: HeldAnswer | undefined;
  readonly fault: Fault | undefined;
}

const SUCCESS: Verdict = { kind: 'success' };

/** Makes attempts for one worker. */
export class Attempts {
  readonly #transport: Transport;
  readonly #deadlines: Deadlines;

  constructor(transport: Transport, deadlines: Deadlines) {
    this.#transport = transport;
    this.#deadlines = deadlines;
  }

  /** Sends the request; a client that leaves meanwhile is to abort the call. */
  begin(exchange: Exchange, plan: Plan, lease: Lease): UpstreamCall {
    const onInformation = informationFor(exchange, lease.key);
    return this.#transport.send(lease.upstream, plan.requestFor(lease, onInformation));
  }

  /** What the call's outcome means; at once, where nothing has to be held back for it. */
  judge(exchange: Exchange, outcome: Outcome, lease: Lease): Judged | Promise<Judged> {
    if (outcome.kind === 'fault') return faulty(outcome);
    if (outcome.status >= 400) return this.#judgeError(exchange, outcome, lease);
    const scanner = outcome.status === 200 ? scannerFor(outcome) : undefined;
    const held = new HeldAnswer(outcome, this.#deadlines, scanner !== undefined);
    if (scanner === undefined) return succeeded(held);
    return this.#judgeStream(exchange, new StreamProbe(held, scanner), lease);
  }

  async #judgeError(exchange: Exchange, answer: UpstreamAnswer, lease: Lease): Promise<Judged> {
    const held = new HeldAnswer(answer, this.#deadlines);
    await held.fill(() => false, ERROR_BODY_WAIT_MS);
    if (exchange.clientLeft) return broken(held, 'client_left');
    const text = held.decoded()?.toString('utf8') ?? '';
    held.markRefusal();
    return { verdict: verdictOf(held, lease, text, false), held, fault: undefined };
  }

  /** Holds a 200 stream until its first event that is more than preamble. */
  async #judgeStream(exchange: Exchange, probe: StreamProbe, lease: Lease): Promise<Judged> {
    const { held } = probe;
    if (refusedByHead(held.answer.rawHeaders, lease.upstream.provider)) {
      return { verdict: verdictOf(held, lease, '', true), held, fault: undefined };
    }
    const { firstEventTimeoutMs } = lease.group.settings;
    const holdMs = firstEventTimeoutMs > 0 ? firstEventTimeoutMs : FIRST_EVENT_HOLD_MS;
    await held.fill(probe.isDecided, holdMs);
    if (exchange.clientLeft) return broken(held, 'client_left');
    const found = probe.found();
    if (found.kind === 'error') {
      held.markRefusal();
      return { verdict: verdictOf(held, lease, found.text, true), held, fault: undefined };
    }
    if (held.broken && found.kind === 'preamble') return broken(held, 'reset');
    const silent = found.kind === 'preamble' && held.timedOut;
    if (silent && firstEventTimeoutMs > 0) return broken(held, 'first_event_timeout');
    return succeeded(held);
  }
}

/** What both scanners of policy/ do. */
interface Scanner {
  push(chunk: Uint8Array): FirstEvent;
  end?(): FirstEvent;
}

/**
 * Looks at a stream's chunks as they are held; encoded streams are decoded from a copy each time.
 */
class StreamProbe {
  readonly held: HeldAnswer;
  readonly #newScanner: () => Scanner;
  readonly #encoded: boolean;
  #scanner: Scanner;
  #found: FirstEvent = { kind: 'preamble' };

  constructor(held: HeldAnswer, newScanner: () => Scanner) {
    this.held = held;
    this.#newScanner = newScanner;
    this.#scanner = newScanner();
    this.#encoded = fieldValue(held.answer.rawHeaders, 'content-encoding') !== undefined;
  }

  readonly isDecided = (chunk: Buffer): boolean => {
    let bytes: Buffer | undefined = chunk;
    if (this.#encoded) {
      bytes = this.held.decoded();
      // An encoding that we do not know cannot be judged: the client gets it as it is.
      if (bytes === undefined) return true;
      this.#scanner = this.#newScanner();
    }
    this.#found = this.#scanner.push(bytes);
    return this.#found.kind !== 'preamble';
  };

  found(): FirstEvent {
    if (this.#found.kind === 'preamble' && this.held.ended) {
      this.#found = this.#scanner.end?.() ?? this.#found;
    }
    return this.#found;
  }
}

/** How to look into an answer's stream; undefined: it is none. */
function scannerFor(answer: UpstreamAnswer): (() => Scanner) | undefined {
  const type = fieldValue(answer.rawHeaders, 'content-type')?.trimStart().toLowerCase() ?? '';
  if (type.startsWith('text/event-stream')) return () => new FirstEventScanner();
  if (type.startsWith('application/vnd.amazon.eventstream'))
    return () => new AwsFirstEventScanner();
  return undefined;
}

function verdictOf(held: HeldAnswer, lease: Lease, text: string, inStream: boolean): Verdict {
  const { status, rawHeaders } = held.answer;
  const view = { status, rawHeaders, text, inStream };
  return classify(view, { host: lease.upstream.hostname, nowMs: Date.now() });
}

function succeeded(held: HeldAnswer): Judged {
  return { verdict: SUCCESS, held, fault: undefined };
}

function faulty(fault: Fault): Judged {
  return { verdict: classifyFault(fault), held: undefined, fault };
}

function broken(held: HeldAnswer, code: FaultCode): Judged {
  held.discard();
  return faulty({ kind: 'fault', code, sent: true, message: faultMessage(code) });
}

/** Early Hints and other 1xx answers pass as they come (RFC 9110 15.2); HTTP/1.0 has none. */
function informationFor(exchange: Exchange, key: string): UpstreamRequest['onInformation'] {
  const { request, response } = exchange;
  if (request.httpVersionMinor === 0) return undefined;
  return (status, rawHeaders) => {
    const socket = response.socket;
    if (status === 100 || socket === null || response.headersSent || !socket.writable) return;
    let text = `HTTP/1.1 ${status} \r\n`;
    const fields = responseFields(rawHeaders);
    for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
    socket.write(redactExact(`${text}\r\n`, [key]), 'latin1');
  };
}
