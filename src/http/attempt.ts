// One attempt: sends the request with a leased key and finds out what the result means. Holds an answer back until that
// is certain: an error's bounded prefix, a stream's first real event. Decides nothing about going again.

import type { Config } from '../config.ts';
import { classify, classifyFault } from '../policy/classify.ts';
import { FirstEventScanner } from '../policy/first-event.ts';
import { fieldValue } from '../policy/headers.ts';
import type { Fault, FaultCode, Verdict } from '../policy/verdict.ts';
import type { Lease } from '../pool/lease.ts';
import type { Deadlines } from './deadlines.ts';
import type { Exchange } from './exchange.ts';
import { faultMessage } from './faults.ts';
import { ERROR_BODY_WAIT_MS, HeldAnswer } from './held-answer.ts';
import type { Plan } from './plan.ts';
import type { Transport, UpstreamAnswer, UpstreamRequest } from './transport.ts';

/** Without FIRST_EVENT_TIMEOUT a stream is held no longer than this (DESIGN 3.6). */
export const FIRST_EVENT_HOLD_MS = 1_000;

/** What an attempt came to: a verdict, with the held answer or the fault that it is about. */
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
  readonly #config: Config;

  constructor(transport: Transport, deadlines: Deadlines, config: Config) {
    this.#transport = transport;
    this.#deadlines = deadlines;
    this.#config = config;
  }

  /** Sends and judges. A client that leaves meanwhile ends the attempt at once, as excluded. */
  async make(exchange: Exchange, plan: Plan, lease: Lease): Promise<Judged> {
    this.#deadlines.touch();
    const onInformation = informationFor(exchange);
    const call = this.#transport.send(lease.upstream, plan.requestFor(lease, onInformation));
    exchange.onClientLeft = () => call.abort('client_left');
    if (exchange.clientLeft) call.abort('client_left');
    const outcome = await call.outcome;
    if (outcome.kind === 'fault') return faulty(outcome);
    if (outcome.status >= 400) return this.#judgeError(exchange, outcome, lease);
    const held = new HeldAnswer(outcome, this.#deadlines);
    if (outcome.status !== 200 || !isEventStream(outcome)) return succeeded(held);
    return this.#judgeStream(exchange, held, lease);
  }

  async #judgeError(exchange: Exchange, answer: UpstreamAnswer, lease: Lease): Promise<Judged> {
    const held = new HeldAnswer(answer, this.#deadlines);
    exchange.onClientLeft = () => held.discard();
    await held.fill(() => false, ERROR_BODY_WAIT_MS);
    if (exchange.clientLeft) return faulty(clientLeft());
    const text = held.decoded()?.toString('utf8') ?? '';
    return { verdict: verdictOf(held, lease, text, false), held, fault: undefined };
  }

  /** Holds a 200 event stream until its first event that is more than preamble. */
  async #judgeStream(exchange: Exchange, held: HeldAnswer, lease: Lease): Promise<Judged> {
    // Azure says on a 200 that the key must wait; the event that says so may come late or never.
    if (lease.upstream.provider === 'azure' && hasField(held.answer, 'retry-after')) {
      return { verdict: verdictOf(held, lease, RATE_LIMITED_EVENT, true), held, fault: undefined };
    }
    const { firstEventTimeoutMs } = this.#config;
    const probe = new StreamProbe(held);
    exchange.onClientLeft = () => held.discard();
    const holdMs = firstEventTimeoutMs > 0 ? firstEventTimeoutMs : FIRST_EVENT_HOLD_MS;
    await held.fill(probe.isDecided, holdMs);
    if (exchange.clientLeft) return faulty(clientLeft());
    if (probe.error !== undefined) {
      return { verdict: verdictOf(held, lease, probe.error, true), held, fault: undefined };
    }
    if (held.broken && !probe.hasContent) return broken(held, 'reset');
    const silent = !probe.hasContent && !held.ended && held.timedOut;
    if (silent && firstEventTimeoutMs > 0) return broken(held, 'first_event_timeout');
    return succeeded(held);
  }
}

const RATE_LIMITED_EVENT = '{"error":{"code":"rate_limit_exceeded","message":"retry-after"}}';

/** Looks at a stream's chunks as they are held; encoded streams are decoded from a copy each time. */
class StreamProbe {
  hasContent = false;
  error: string | undefined;
  readonly #held: HeldAnswer;
  readonly #encoded: boolean;
  #scanner = new FirstEventScanner();

  constructor(held: HeldAnswer) {
    this.#held = held;
    this.#encoded = hasField(held.answer, 'content-encoding');
  }

  readonly isDecided = (chunk: Buffer): boolean => {
    let bytes: Buffer = chunk;
    if (this.#encoded) {
      const decoded = this.#held.decoded();
      // An encoding that we do not know cannot be judged: the client gets it as it is.
      if (decoded === undefined) return true;
      this.#scanner = new FirstEventScanner();
      bytes = decoded;
    }
    const found = this.#scanner.push(bytes);
    if (found.kind === 'preamble') return false;
    if (found.kind === 'content') this.hasContent = true;
    else this.error = found.text;
    return true;
  };
}

function isEventStream(answer: UpstreamAnswer): boolean {
  const type = fieldValue(answer.rawHeaders, 'content-type');
  return type?.trimStart().toLowerCase().startsWith('text/event-stream') === true;
}

function hasField(answer: UpstreamAnswer, lowerName: string): boolean {
  return fieldValue(answer.rawHeaders, lowerName) !== undefined;
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

function clientLeft(): Fault {
  return { kind: 'fault', code: 'client_left', sent: true, message: faultMessage('client_left') };
}

/** Early Hints and other 1xx answers pass as they come (RFC 9110 15.2); HTTP/1.0 has none. */
function informationFor(exchange: Exchange): UpstreamRequest['onInformation'] {
  const { request, response } = exchange;
  if (request.httpVersionMinor === 0) return undefined;
  return (status, rawHeaders) => {
    const socket = response.socket;
    if (status === 100 || socket === null || response.headersSent || !socket.writable) return;
    let text = `HTTP/1.1 ${status} \r\n`;
    for (let i = 0; i < rawHeaders.length; i += 2)
      text += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
    socket.write(`${text}\r\n`, 'latin1');
  };
}
