// Whose fault an answer or a fault is. The rules are data (rules.ts), compiled once when this
// module loads; this file only applies them. How long a rest lasts is retry-after.ts's.

import { type Provider, providerOf } from '../provider.ts';
import type { Reason } from '../reason.ts';
import type { AnswerView, Fault, FaultCode, Verdict } from '../verdict.ts';
import { type Facts, factsOf } from './normalise.ts';
import type { Wait } from './rate-limit-headers.ts';
import { type AnswerContext, clockMs, namedWait, PERIOD_MS, periodEndMs } from './retry-after.ts';
import type { Rule, StatusTest } from './rule.ts';
import { RULES } from './rules.ts';

/**
 * At these statuses an answer speaks of the credential, the account or the route, and quotes
 * nothing of the request.
 */
const TRUSTED_WORDING = new Set([401, 402, 403, 407, 412, 429]);

/**
 * Everywhere else the phrase must open the message: plain words at most may precede it. "Invalid
 * 'prompt': your credit balance is too low" is the client's own text, "Your credit balance is too
 * low" is not.
 */
const LEAD_IN = /^[\p{L}\p{N}\s.,'`_-]{0,100}$/u;

const SPAN = '[^]{1,120}?';

interface CompiledRule {
  readonly rule: Rule;
  readonly codes: ReadonlySet<string>;
  readonly prefixes: readonly string[];
  readonly suffixes: readonly string[];
  readonly says: RegExp | null;
  readonly unconditional: boolean;
}

/** Has no condition, like the last of all rules. */
const LAST: Rule = { name: 'other_4xx', verdict: 'client_fault', reason: 'bad_request' };

const COMPILED: readonly CompiledRule[] = RULES.map(compile);

function compile(rule: Rule): CompiledRule {
  const codes = rule.codes ?? [];
  const phrases = rule.says?.map((phrase) =>
    phrase.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', SPAN),
  );
  return {
    rule,
    codes: new Set(codes.filter((code) => !code.includes('*'))),
    prefixes: codes.filter((code) => code.endsWith('*')).map((code) => code.slice(0, -1)),
    suffixes: codes.filter((code) => code.startsWith('*')).map((code) => code.slice(1)),
    says: phrases === undefined ? null : new RegExp(phrases.join('|'), 'iu'),
    unconditional: !rule.codes && !rule.numbers && !rule.says && !rule.sign,
  };
}

/**
 * Blame for an answer: a status with a bounded prefix of its body, or the error that a 200 stream
 * opened with (`inStream`; the text may be the whole event or its data). Any other answer below 400
 * is a success and its body is not looked at.
 */
export function classify(answer: AnswerView, context: AnswerContext): Verdict {
  if (answer.status < 400 && !answer.inStream) return { kind: 'success' };
  const facts = factsOf(answer);
  const provider = providerOf(context.host);
  const status: StatusTest = answer.status < 400 ? 'stream' : answer.status;
  const found = COMPILED.find((compiled) => matches(compiled, status, provider, facts));
  // The last rule has no condition, so there is always one.
  const rule = found?.rule ?? LAST;
  const code = shownCode(facts);
  return verdictOf(rule, code, () => {
    const named = namedWait(answer, context, facts);
    const { resets, reason } = rule;
    if (named === null) {
      if (resets === undefined) return null;
      const ms = periodEndMs(resets, clockMs(facts, context), context.host);
      return { ms, isPeriodEnd: true };
    }
    // What is said of a spent day or month is when that ends, unless it is more than one.
    const period = resets ?? (reason === 'daily_quota' ? 'day' : undefined);
    const isPeriodEnd = period !== undefined && named.ms <= PERIOD_MS[period];
    return isPeriodEnd ? { ...named, isPeriodEnd } : named;
  });
}

function matches(
  { rule, ...compiled }: CompiledRule,
  status: StatusTest,
  provider: Provider,
  facts: Facts,
): boolean {
  if (rule.status !== undefined && !includes(rule.status, status)) return false;
  if (rule.except !== undefined && includes(rule.except, status)) return false;
  if (rule.host !== undefined && !rule.host.includes(provider)) return false;
  if (compiled.unconditional) return true;
  if (rule.sign !== undefined && facts.signs.has(rule.sign)) return true;
  if (rule.numbers?.[provider]?.some((number) => facts.numbers.has(String(number)))) return true;
  for (const code of facts.codes) {
    if (compiled.codes.has(code)) return true;
    if (compiled.prefixes.some((prefix) => code.startsWith(prefix))) return true;
    if (compiled.suffixes.some((suffix) => code.endsWith(suffix))) return true;
  }
  const { says } = compiled;
  return says !== null && facts.messages.some((message) => isSaid(says, message, status));
}

function includes(tests: readonly StatusTest[], status: StatusTest): boolean {
  return (
    tests.includes(status) ||
    (status !== 'stream' && Number(status) >= 500 && tests.includes('5xx'))
  );
}

function isSaid(says: RegExp, message: string, status: StatusTest): boolean {
  const match = says.exec(message);
  if (match === null) return false;
  return (
    (status !== 'stream' && TRUSTED_WORDING.has(Number(status))) ||
    LEAD_IN.test(message.slice(0, match.index))
  );
}

/** Words only: whatever has a digit might be an echo of a key. */
const CODE = /^(?=.{2,64}$)[a-z]+(?:[_.-][a-z]+)*$/;

function shownCode({ codes }: Facts): string | undefined {
  for (const code of codes) if (CODE.test(code)) return code;
  return undefined;
}

function verdictOf(rule: Rule, code: string | undefined, waits: () => Wait | null): Verdict {
  const { verdict: kind, reason } = rule;
  const grounds = { rule: rule.name, code };
  switch (kind) {
    case 'key_cooldown': {
      const scope = rule.account === true ? 'account' : 'model';
      const wait = waits();
      const named = { retryAfterMs: wait?.ms ?? null, isPeriodEnd: wait?.isPeriodEnd ?? false };
      return { kind, reason, scope, ...named, ...grounds };
    }
    case 'upstream_fault': {
      const route = rule.route === true;
      const ambiguous = rule.ambiguous === true;
      return { kind, reason, retryAfterMs: waits()?.ms ?? null, ambiguous, route, ...grounds };
    }
    case 'key_dead':
    case 'model_access':
    case 'client_fault':
      return { kind, reason, ...grounds };
  }
}

const FAULTS: Readonly<Record<FaultCode, { reason: Reason; timeout?: true; route?: true }>> = {
  dns: { reason: 'dns_failed' },
  connect: { reason: 'connect_failed' },
  connect_timeout: { reason: 'connect_timeout' },
  tls: { reason: 'tls_failed' },
  route: { reason: 'route_failed', route: true },
  reset: { reason: 'connection_reset' },
  refused_stream: { reason: 'stream_refused' },
  headers_timeout: { reason: 'headers_timeout', timeout: true },
  total_timeout: { reason: 'total_timeout', timeout: true },
  idle_timeout: { reason: 'idle_timeout', timeout: true },
  first_event_timeout: { reason: 'first_event_timeout', timeout: true },
  protocol: { reason: 'protocol_error' },
  client_left: { reason: 'client_left' },
  shutdown: { reason: 'shutdown' },
  descriptors: { reason: 'out_of_descriptors' },
};

/** Faults that neither a key nor an upstream is to blame for. */
const NOBODYS: ReadonlySet<FaultCode> = new Set(['client_left', 'shutdown', 'descriptors']);

/** Blame for an attempt that ended without a usable answer. */
export function classifyFault(fault: Fault): Verdict {
  const { reason, timeout, route } = FAULTS[fault.code];
  const rule = `fault_${fault.code}`;
  if (NOBODYS.has(fault.code)) return { kind: 'excluded', reason, rule };
  return {
    kind: 'upstream_fault',
    reason,
    rule,
    retryAfterMs: null,
    // After a timeout the model may still be working, and billing; a closed connection ends its
    // work.
    ambiguous: timeout === true && fault.sent,
    route: route === true,
  };
}
