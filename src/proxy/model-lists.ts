// What models a group's upstream says it has: asked with a key of the group, like any request, and
// kept for a minute. In the words of OpenAI's GET /v1/models, whatever the provider's own are.

import { classify, classifyFault } from '../policy/answers/classify.ts';
import { pushCredential } from '../policy/headers.ts';
import { credentialStyle, type Provider } from '../policy/provider.ts';
import { parseTarget, upstreamTarget } from '../policy/request-target.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { Group } from '../pool/group.ts';
import type { Lease } from '../pool/lease.ts';
import type { Transport, UpstreamAnswer, UpstreamRequest } from '../upstream/transport.ts';

/** A model as GET /v1/models lists it. What else the provider says of it is kept. */
export interface ListedModel {
  readonly id: string;
  readonly [member: string]: unknown;
}

const FRESH_MS = 60_000;
/** A list that could not be had is asked for again after this. */
const FAILED_FRESH_MS = 5_000;
const MAX_LIST_BYTES = 8 * 1024 * 1024;
const MAX_ATTEMPTS = 3;
const TIMEOUT_MS = 10_000;

/** How a provider is asked for its models. */
const PATHS: Partial<Record<Provider, string>> = {
  anthropic: '/v1/models?limit=1000',
  gemini: '/v1beta/models?pageSize=1000',
};

interface Kept {
  readonly untilMs: number;
  readonly models: Promise<readonly ListedModel[] | undefined>;
}

/** The lists of all groups. */
export class ModelLists {
  readonly #transport: Transport;
  readonly #now: () => number;
  /** A group that is gone takes its list along. */
  readonly #kept = new WeakMap<Group, Kept>();

  /** @param now milliseconds by the steady clock */
  constructor(transport: Transport, now: () => number) {
    this.#transport = transport;
    this.#now = now;
  }

  /** A group's models; undefined when its upstream did not say. At most one request a minute. */
  of(group: Group, nowMs: number): Promise<readonly ListedModel[] | undefined> {
    const known = this.#kept.get(group);
    if (known !== undefined && known.untilMs > nowMs) return known.models;
    const models = this.#ask(group);
    this.#kept.set(group, { untilMs: nowMs + FRESH_MS, models });
    void models.then((list) => {
      if (list !== undefined) return;
      this.#kept.set(group, { untilMs: nowMs + FAILED_FRESH_MS, models });
    });
    return models;
  }

  /** Asks with one key, whatever is known of it; its answer is judged like any. */
  async probe(group: Group, row: number): Promise<'works' | 'refused' | 'unavailable'> {
    const none = { model: undefined, avoidUpstreams: [], mustAvoid: false, triedRows: [] };
    const lease = group.pool.lease({ ...none, boundRow: row }, this.#now());
    if (lease.kind === 'unavailable') return 'unavailable';
    using _ = lease;
    const models = await this.#attempt(lease, group);
    return models === undefined ? 'refused' : 'works';
  }

  async #ask(group: Group): Promise<readonly ListedModel[] | undefined> {
    const triedRows: number[] = [];
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const none = { model: undefined, avoidUpstreams: [], mustAvoid: false };
      const lease = group.pool.lease({ ...none, triedRows }, this.#now());
      if (lease.kind === 'unavailable') return undefined;
      using _ = lease;
      triedRows.push(lease.row);
      const models = await this.#attempt(lease, group);
      if (models !== undefined) return models;
    }
    return undefined;
  }

  async #attempt(lease: Lease, group: Group): Promise<readonly ListedModel[] | undefined> {
    const call = this.#transport.send(lease.upstream, requestFor(lease, group));
    const outcome = await call.outcome;
    if (outcome.kind === 'fault') {
      this.#settle(lease, classifyFault(outcome));
      return undefined;
    }
    const timer = setTimeout(() => call.abort('total_timeout'), TIMEOUT_MS);
    const text = await textOf(outcome).finally(() => clearTimeout(timer));
    if (text === undefined) call.abort('client_left');
    if (outcome.status >= 400) {
      const { status, rawHeaders } = outcome;
      const view = { status, rawHeaders, text: text ?? '', inStream: false };
      this.#settle(lease, classify(view, { host: lease.upstream.hostname, nowMs: Date.now() }));
      return undefined;
    }
    lease.answerBegan(this.#now());
    lease.answerEnded(text === undefined, this.#now());
    return text === undefined ? undefined : modelsIn(text, group.name);
  }

  #settle(lease: Lease, verdict: Verdict): void {
    lease.settle(verdict, this.#now());
    lease.group.attempts.add(lease.upstream.index, verdict.kind);
  }
}

function requestFor({ upstream, key }: Lease, { settings }: Group): UpstreamRequest {
  const { provider, basePath, host } = upstream;
  const target = parseTarget(PATHS[provider] ?? '/v1/models');
  if (target === undefined) throw new TypeError('not a target');
  const fields = ['Host', host, 'Accept', 'application/json', 'Accept-Encoding', 'identity'];
  if (provider === 'anthropic') fields.push('anthropic-version', '2023-06-01');
  fields.push(...settings.setHeaders);
  pushCredential(fields, credentialStyle(provider), key);
  return {
    method: 'GET',
    path: upstreamTarget(basePath, target, undefined),
    fields,
    chunks: [],
    bytes: 0,
    source: undefined,
    sourceLength: undefined,
    trailers: [],
    isTurnOver: false,
    bodyExpected: false,
    upgrade: false,
    headersTimeoutMs: TIMEOUT_MS,
    sendIdleTimeoutMs: TIMEOUT_MS,
    onInformation: undefined,
  };
}

/** The whole body; undefined when it broke off or is too long. */
async function textOf(answer: UpstreamAnswer): Promise<string | undefined> {
  if (answer.whole !== undefined) return answer.whole.toString('utf8');
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_LIST_BYTES) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return answer.complete() ? Buffer.concat(chunks).toString('utf8') : undefined;
}

/** OpenAI and Anthropic list under `data`, Gemini under `models` with names like `models/one`. */
function modelsIn(text: string, group: string): readonly ListedModel[] | undefined {
  let answer: { readonly data?: unknown; readonly models?: unknown };
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  const listed = Array.isArray(answer?.data) ? answer.data : answer?.models;
  if (!Array.isArray(listed)) return undefined;
  return listed.flatMap((entry: unknown): ListedModel[] => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { id, name } = entry as { id?: unknown; name?: unknown };
    if (typeof id === 'string') return [{ object: 'model', ...entry, id }];
    if (typeof name !== 'string') return [];
    return [{ ...plainModel(name.replace(/^models\//, ''), group), ...entry }];
  });
}

/** A model of which nothing but its name is known. */
export function plainModel(id: string, group: string): ListedModel {
  return { id, object: 'model', created: 0, owned_by: group };
}
