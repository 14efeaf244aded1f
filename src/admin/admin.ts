// gpt-load's own endpoints: which paths they are, who may see them, and what they answer. None of
// them ever shows a key. They are answered outside the concurrency limit; their numbers come from
// shared memory.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { effectiveConfig } from '../config/config.ts';
import type { ShownGrouping } from '../config/grouping-view.ts';
import { nearest } from '../config/nearest.ts';
import { reasonText } from '../policy/reason.ts';
import type { GroupView } from '../pool/group-view.ts';
import {
  type KeySummary,
  listBlacklisted,
  listLimited,
  listResting,
  summarise,
} from '../pool/keys/key-report.ts';
import { sendError, sendJson } from '../proxy/answer/own-answer.ts';
import { badKeyFile, groupNotFound, methodNotAllowed } from '../proxy/answer/own-errors.ts';
import { Dashboard, type DashboardParts } from './dashboard/dashboard.ts';
import { type MetricsSources, sendMetrics } from './metrics.ts';
import { heapUsage, residentBytes } from './process-memory.ts';
import { type AskRequests, namesRequest, sendRequests } from './requests.ts';
import { type AskUsage, sendUsage } from './usage.ts';

/** How a reset went, for the client that asked for it. */
export interface ResetReport {
  readonly ok: boolean;
  readonly message: string;
}

export interface AdminParts extends MetricsSources, DashboardParts {
  /** Groups and clients as they may be shown. */
  readonly grouping: () => ShownGrouping | undefined;
  /**
   * Reads the key file again and forgets what was learned, of one group or of all; the
   * coordinator's work.
   */
  readonly reset: (group: string | undefined) => Promise<ResetReport>;
  /** Asks the coordinator for the last requests; undefined: none are remembered. */
  readonly requests: AskRequests | undefined;
  /** Asks the coordinator's books. */
  readonly usage: AskUsage;
  /** What the coordinator knows of the other instances; undefined: there is no fleet. */
  readonly askFleet: () => Promise<object | undefined>;
}

/** Keys listed by /blacklist, of each kind; the counts are always whole. */
const MAX_LISTED_KEYS = 10_000;
/** Keys with limits of each group, listed by /stats. */
const MAX_LIMITED_KEYS = 1_000;
const MIB = 1024 * 1024;

type Endpoint = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Answers our own endpoints for one worker. */
export class Admin {
  readonly #parts: AdminParts;
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #dashboard: Dashboard;

  constructor(parts: AdminParts) {
    this.#parts = parts;
    this.#dashboard = new Dashboard(parts);
    this.#endpoints = new Map<string, Endpoint>([
      ['/health', (_, response) => this.#health(response)],
      ['/stats', (_, response) => sendJson(response, 200, JSON.stringify(this.#stats()))],
      ['/blacklist', (_, response) => sendJson(response, 200, JSON.stringify(this.#blacklist()))],
      ['/groups', (_, response) => sendJson(response, 200, JSON.stringify(this.#groups()))],
      ['/reset-keys', (request, response) => this.#reset(request, response)],
      ['/metrics', (request, response) => sendMetrics(request, response, this.#parts)],
      ['/usage', (request, response) => sendUsage(request, response, this.#parts.usage)],
      ['/requests', (request, response) => this.#requests('/requests', request, response)],
      ['/fleet', (_, response) => this.#fleet(response)],
      ['/config', (_, response) => this.#config(response)],
      ['/dashboard', (request, response) => this.#page('/dashboard', request, response)],
    ]);
  }

  /** Whether a path is one of ours, never proxied. */
  serves(path: string): boolean {
    return this.#endpoints.has(path) || namesRequest(path) || this.#dashboard.serves(path);
  }

  /** Load balancers ask for /health without credentials; the page itself has no data in it. */
  isPublic(path: string): boolean {
    return path === '/health' || path === '/dashboard';
  }

  /** Asking for it changes something. */
  changes(path: string): boolean {
    return path === '/reset-keys' || path === '/dashboard/actions';
  }

  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method } = request;
    const isPage = this.#dashboard.serves(path);
    const own = path === '/reset-keys' ? 'GET, HEAD, POST' : 'GET, HEAD';
    const allowed = isPage ? this.#dashboard.allows(path) : own;
    if (method === undefined || !allowed.split(', ').includes(method)) {
      return sendError(response, methodNotAllowed(path, allowed), ['Allow', allowed]);
    }
    if (method === 'POST' && isPage) return this.#dashboard.answer(path, request, response);
    // A body is of no interest here; unread, it would be taken for the next request.
    request.resume();
    if (isPage) return this.#dashboard.answer(path, request, response);
    if (namesRequest(path)) return this.#requests(path, request, response);
    await this.#endpoints.get(path)?.(request, response);
  }

  #page(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    return this.#dashboard.answer(path, request, response);
  }

  /** Shutdown: open pages are told. */
  drain(): void {
    this.#dashboard.drain();
  }

  #requests(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    return sendRequests(response, { path, query: queryOf(request) }, this.#parts.requests);
  }

  /** Healthy: every group that has keys has one that is usable, and there is one. */
  #health(response: ServerResponse): void {
    const nowMs = this.#parts.now();
    const groups = this.#parts.groups().map(({ name, table }) => {
      const { total, healthy } = summarise(table, nowMs);
      const status = healthy > 0 || total === 0 ? 'healthy' : 'unhealthy';
      return { name, status, healthy_keys: healthy, total_keys: total };
    });
    const { total, healthy } = this.#summary(nowMs);
    const fleet = this.#parts.fleet.facts(nowMs);
    const isHealthy = healthy > 0 && groups.every(({ status }) => status === 'healthy');
    const body = {
      status: isHealthy ? 'healthy' : 'unhealthy',
      timestamp: new Date().toISOString(),
      healthy_keys: healthy,
      total_keys: total,
      uptime: Math.floor((nowMs - this.#parts.startedAtMs) / 1000),
      groups,
      // An instance that is alone serves as well as any: no load balancer is to take it out.
      fleet: fleet?.connected === false ? 'away' : fleet,
    };
    sendJson(response, isHealthy ? 200 : 503, JSON.stringify(body));
  }

  #groups() {
    const nowMs = this.#parts.now();
    const groups = this.#parts.groups().map(({ name, settings, table }) => {
      return {
        name,
        models: settings.models,
        fallback: settings.fallback,
        upstreams: settings.upstreams.map((href) => new URL(href).host),
        keys: keyCounts(summarise(table, nowMs)),
      };
    });
    return { groups, timestamp: new Date().toISOString() };
  }

  #stats() {
    const { counters, config, version, startedAtMs } = this.#parts;
    const nowMs = this.#parts.now();
    const keys = this.#summary(nowMs);
    const { totals, gauges } = counters.sum();
    const heap = heapUsage();
    const limited = this.#parts.groups().flatMap((group) => limitedOf(group, nowMs));
    return {
      keys: { ...keyCounts(keys), current_index: keys.currentIndex },
      groups: this.#parts.groups().map(({ name, table, settings, attempts }) => ({
        name,
        keys: keyCounts(summarise(table, nowMs)),
        attempts: attempts.inAll(),
        models: settings.models,
      })),
      ...(limited.length === 0 ? {} : { limited_keys: limited }),
      requests: {
        success_count: totals.succeeded,
        failure_count: totals.failed,
        total_count: totals.requests,
        in_flight: gauges.inFlight,
        open_leases: gauges.openLeases,
      },
      memory: {
        rss_mb: mib(residentBytes()),
        heap_used_mb: mib(heap.heapUsed),
        heap_total_mb: mib(heap.heapTotal),
        external_mb: mib(heap.external),
      },
      system: {
        version,
        node: process.versions.node,
        platform: `${process.platform}-${process.arch}`,
        pid: process.pid,
        workers: config.workers,
        uptime: Math.floor((nowMs - startedAtMs) / 1000),
      },
      fleet: this.#parts.fleet.facts(nowMs),
      timestamp: new Date().toISOString(),
    };
  }

  #blacklist() {
    const nowMs = this.#parts.now();
    const groups = this.#parts.groups();
    const blacklisted = groups.flatMap((group) => blacklistedOf(group)).slice(0, MAX_LISTED_KEYS);
    const resting = groups.flatMap((group) => restingOf(group, nowMs)).slice(0, MAX_LISTED_KEYS);
    return {
      blacklisted_keys: blacklisted,
      count: this.#summary(nowMs).blacklisted,
      resting_keys: resting,
      fleet: this.#parts.fleet.facts(nowMs),
      timestamp: new Date().toISOString(),
    };
  }

  /** Over all groups; the index is the first one's. */
  #summary(nowMs: number): KeySummary {
    return this.#parts
      .groups()
      .map(({ table }) => summarise(table, nowMs))
      .reduce((sum, one) => ({
        total: sum.total + one.total,
        healthy: sum.healthy + one.healthy,
        blacklisted: sum.blacklisted + one.blacklisted,
        resting: sum.resting + one.resting,
        atLimit: sum.atLimit + one.atLimit,
        restingForModel: sum.restingForModel + one.restingForModel,
        currentIndex: sum.currentIndex,
      }));
  }

  async #reset(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const group = queryOf(request).get('group') ?? undefined;
    const names = this.#parts.groups().map(({ name }) => name);
    if (group !== undefined && !names.includes(group)) {
      return sendError(response, groupNotFound(group, nearest(group.slice(0, 64), names)));
    }
    const report = await this.#parts.reset(group);
    if (!report.ok) return sendError(response, badKeyFile(report.message));
    const nowMs = this.#parts.now();
    const { total, healthy } = this.#summary(nowMs);
    const body = {
      message: report.message,
      total_keys: total,
      healthy_keys: healthy,
      timestamp: new Date().toISOString(),
    };
    sendJson(response, 200, JSON.stringify(body));
  }

  async #fleet(response: ServerResponse): Promise<void> {
    const report = await this.#parts.askFleet();
    const alone = { connected: false, trouble: 'FLEET_URL is not set', instances: [] };
    const timestamp = new Date().toISOString();
    sendJson(response, 200, JSON.stringify({ ...(report ?? alone), timestamp }));
  }

  #config(response: ServerResponse): void {
    const shown = { ...effectiveConfig(this.#parts.config), ...this.#parts.grouping() };
    sendJson(response, 200, JSON.stringify(shown));
  }
}

function keyCounts({ total, healthy, blacklisted, resting, atLimit }: KeySummary) {
  return { total, healthy, blacklisted, resting, at_limit: atLimit };
}

function queryOf({ url }: IncomingMessage): URLSearchParams {
  const mark = url?.indexOf('?') ?? -1;
  return new URLSearchParams(mark < 0 ? '' : url?.slice(mark));
}

function blacklistedOf({ name, table, upstreams }: GroupView) {
  return listBlacklisted(table, MAX_LISTED_KEYS).map((key) => ({
    preview: key.preview,
    ...named(key),
    group: name,
    reason: key.reason,
    explanation: reasonText(key.reason),
    blacklistAt: new Date(key.blacklistAtMs).toISOString(),
    failCount: key.failCount,
    probeAt: new Date(key.probeAtMs).toISOString(),
    upstream: upstreams.get(key.upstream).href,
  }));
}

function restingOf({ name, table }: GroupView, nowMs: number) {
  return listResting(table, MAX_LISTED_KEYS, nowMs).map((key) => ({
    preview: key.preview,
    ...named(key),
    group: name,
    model: key.model ?? 'all',
    until: new Date(key.untilMs).toISOString(),
    reason: key.reason,
  }));
}

/** What the key file calls a key, where it does. */
function named({ name }: { readonly name: string }): { name?: string } {
  return name === '' ? {} : { name };
}

function limitedOf({ name, table }: GroupView, nowMs: number) {
  return listLimited(table, MAX_LIMITED_KEYS, nowMs).map((key) => ({
    preview: key.preview,
    ...named(key),
    group: name,
    weight: key.weight,
    tier: key.tier,
    limits: Object.fromEntries(key.limits.map(({ kind, limit, used }) => [kind, { limit, used }])),
    ...(key.full === undefined ? {} : { at_limit: key.full }),
  }));
}

function mib(bytes: number): number {
  return Math.round((bytes / MIB) * 100) / 100;
}
