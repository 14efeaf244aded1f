// Where a request goes: an endpoint of our own, a preflight, or the proxy; and whether it may. Its
// lines are the order in which these are decided. Also the last net: whatever is thrown below
// becomes a 500, and the worker goes on.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Admin } from '../admin/admin.ts';
import type { Config } from '../config/config.ts';
import type { AccessLog } from '../log/access-log.ts';
import type { Logger } from '../log/log.ts';
import { ownRequestId } from '../log/request-id.ts';
import type { RequestTarget } from '../policy/request-target.ts';
import type { ClientCounts } from '../pool/counts/client-counts.ts';
import type { WorkerCounters } from '../pool/counts/counters.ts';
import type { ClientLimits } from '../pool/limits/client-limits.ts';
import type { TrailWriter } from '../pool/trails/trail-writer.ts';
import type { Answers } from '../proxy/answer/answer.ts';
import type { Cors } from '../proxy/answer/cors.ts';
import { sendError } from '../proxy/answer/own-answer.ts';
import {
  clientLimit,
  INTERNAL_ERROR,
  REFUSED_METHOD,
  UNAUTHORIZED,
} from '../proxy/answer/own-errors.ts';
import type { RelayedResponse } from '../proxy/answer/relayed-response.ts';
import { Exchange } from '../proxy/exchange.ts';
import type { RequestProxy } from '../proxy/proxy.ts';
import type { Routing } from '../proxy/routing.ts';
import type { Deadlines } from '../upstream/deadlines.ts';
import type { Auth } from './auth.ts';
import type { TrustedProxies } from './client-address.ts';
import { EndedRequest } from './ended-request.ts';
import { KnownTargets } from './known-targets.ts';
import { asksForModels, type ListsOfModels, sendModels } from './model-list.ts';
import type { OwnSite } from './own-site.ts';
import { WallClock } from './wall-clock.ts';
import { malformation } from './well-formed.ts';

/** Who is served with whose keys, as the configuration was read last. */
export interface Served {
  readonly routing: Routing;
  readonly auth: Auth;
}

export interface RouterParts {
  readonly config: Pick<Config, 'logEnableRequest'>;
  readonly admin: Admin;
  readonly ownSite: OwnSite;
  readonly cors: Cors;
  readonly proxy: RequestProxy;
  readonly answers: Answers;
  readonly counters: WorkerCounters;
  readonly clientCounts: ClientCounts;
  readonly clientLimits: ClientLimits;
  readonly deadlines: Deadlines;
  /** Milliseconds by the steady clock. */
  readonly now: () => number;
  readonly trustedProxies: TrustedProxies;
  readonly log: Logger;
  readonly accessLog: AccessLog;
  /** undefined: no requests are remembered (ENABLE_TRAILS). */
  readonly trails: Pick<TrailWriter, 'add'> | undefined;
  /** The models of all groups, as their upstreams list them. */
  readonly listModels: () => Promise<ListsOfModels>;
  /** Begins every request id of this worker, so that ids differ between workers and runs. */
  readonly idPrefix: string;
}

/** How the page marks its requests (admin/dashboard/page/state.tsx). */
const PAGE = 'gpt-load-page';
/** TRACE would echo the leased key (RFC 9110 9.3.8); CONNECT is no request to an API. */
const REFUSED_METHODS = new Set(['TRACE', 'TRACK', 'CONNECT']);
/** A client's own request id is taken when it is short and harmless in a log. */
const REQUEST_ID = /^[\w.:/+=-]{1,128}$/;

/** Routes the requests of one worker. */
export class Router {
  readonly #parts: RouterParts;
  readonly #targets = new KnownTargets();
  readonly #wallClock = new WallClock(Date.now);
  #served: Served;
  #requests = 0;
  #draining = false;

  constructor(parts: RouterParts, served: Served) {
    this.#parts = parts;
    this.#served = served;
  }

  /** From now on; a request under way keeps its group. */
  serve(served: Served): void {
    this.#served = served;
  }

  readonly handle = (request: IncomingMessage, response: RelayedResponse): void => {
    const target = this.#targets.of(request.url ?? '');
    const wrong = malformation(request, target);
    if (wrong !== undefined || target === undefined) {
      sendError(response, wrong ?? INTERNAL_ERROR, ['Connection', 'close']);
    } else if (this.#parts.admin.serves(target.path)) this.#admin(request, response, target);
    else this.#exchange(request, response, target);
  };

  /** From now on each answer ends its connection, so that clients do not reuse what will close. */
  drain(): void {
    this.#draining = true;
    this.#parts.answers.drain();
  }

  #exchange(request: IncomingMessage, response: RelayedResponse, target: RequestTarget): void {
    const exchange = new Exchange(request, response, target, {
      ...this.#requestId(request),
      startMs: this.#parts.deadlines.touch(),
      clientAddress: this.#parts.trustedProxies.clientAddress(
        request.socket.remoteAddress ?? '',
        request.headers['x-forwarded-for'] as string | undefined,
      ),
    });
    if (this.#draining) response.shouldKeepAlive = false;
    void this.#run(exchange);
  }

  async #run(exchange: Exchange): Promise<void> {
    try {
      if (this.#mayPass(exchange) && this.#isWithinLimits(exchange)) await this.#pass(exchange);
    } catch (error) {
      this.#failed(exchange, error);
    }
    exchange.end(this.#ended);
  }

  /** False when the request has been answered here. */
  #mayPass(exchange: Exchange): boolean {
    const { cors, answers } = this.#parts;
    const { auth } = this.#served;
    const { request, response, target } = exchange;
    if (cors.answerPreflight(request, response)) return false;
    if (!auth.isOpen) {
      exchange.client = auth.clientOf(request, target.key);
      if (exchange.client === undefined) {
        answers.refuse(exchange, UNAUTHORIZED, ['WWW-Authenticate', 'Bearer']);
        return false;
      }
    }
    if (!REFUSED_METHODS.has(exchange.method)) return true;
    answers.refuse(exchange, REFUSED_METHOD);
    return false;
  }

  /** Whether the client may send one more; if not, it has been told. */
  #isWithinLimits(exchange: Exchange): boolean {
    const { client } = exchange;
    if (client === undefined) return true;
    const excess = this.#parts.clientLimits.enter(client, this.#parts.now());
    exchange.isLimited = excess === undefined;
    if (excess === undefined) return true;
    this.#parts.answers.refuse(exchange, clientLimit(client.name, excess));
    return false;
  }

  /** A path may name the group; else the request's model does, once its body was read. */
  #pass(exchange: Exchange): Promise<void> | undefined {
    const { routing } = this.#served;
    if (asksForModels(exchange, routing)) return this.#listModels(exchange, routing);
    const named = routing.prefixed(exchange.target, exchange.client);
    if (named === undefined) return this.#parts.proxy.handle(exchange, routing, undefined);
    if ('code' in named) {
      this.#parts.answers.refuse(exchange, named);
      return undefined;
    }
    exchange.target = named.target;
    return this.#parts.proxy.handle(exchange, routing, named.group);
  }

  async #listModels(exchange: Exchange, routing: Routing): Promise<void> {
    const lists = await this.#parts.listModels();
    if (!exchange.clientLeft) sendModels(exchange, routing, lists);
  }

  #admin(request: IncomingMessage, response: ServerResponse, target: RequestTarget): void {
    const { admin, ownSite, log } = this.#parts;
    const { auth } = this.#served;
    // Probes and scrapes come by the minute: their lines are for those who look for them.
    response.on('close', () => {
      log.debug(`${request.method} ${target.path} ${response.statusCode}`);
    });
    const changes = admin.changes(target.path) && auth.isOpenToAdmins;
    const refusal = admin.isPublic(target.path)
      ? undefined
      : (ownSite.refusal(request) ?? (changes ? ownSite.refusalOfChange(request) : undefined));
    if (refusal !== undefined) {
      sendError(response, refusal);
      return;
    }
    if (!admin.isPublic(target.path) && !auth.allowsAdmin(request)) {
      // To the page's own questions the browser must not answer with a box of its own.
      const isPage = request.headers['x-requested-with'] === PAGE;
      const challenge = isPage ? 'Bearer' : 'Basic realm="gpt-load", charset="UTF-8"';
      sendError(response, UNAUTHORIZED, ['WWW-Authenticate', challenge]);
      return;
    }
    admin.answer(target.path, request, response).catch((error: unknown) => {
      log.error('endpoint failed', { path: target.path, error });
      if (response.headersSent) response.destroy();
      else sendError(response, INTERNAL_ERROR);
    });
  }

  /** The number in an id of our own making; -1: the id is the client's. */
  #requestId(request: IncomingMessage): { id: string; serial: number } {
    const given = request.headers['x-request-id'];
    if (typeof given === 'string' && REQUEST_ID.test(given)) return { id: given, serial: -1 };
    this.#requests += 1;
    return { id: ownRequestId(this.#parts.idPrefix, this.#requests), serial: this.#requests };
  }

  #failed(exchange: Exchange, error: unknown): void {
    this.#parts.log.error('internal error', { id: exchange.id, error });
    exchange.ended = 'internal_error';
    try {
      if (exchange.response.headersSent) exchange.response.destroy();
      else this.#parts.answers.refuse(exchange, INTERNAL_ERROR);
    } catch {
      exchange.response.destroy();
    }
  }

  /** The exchange is over: it is counted, and leaves its access line and its trail. */
  readonly #ended = (exchange: Exchange): void => {
    const { accessLog, counters, clientCounts, deadlines, config, trails } = this.#parts;
    const { client } = exchange;
    if (client !== undefined && exchange.isLimited) this.#parts.clientLimits.leave(client);
    const endMs = deadlines.touch();
    const totalMs = endMs - exchange.startMs;
    if (exchange.clientLeft) exchange.ended ??= 'client_left';
    const failed = exchange.ended !== undefined || exchange.response.statusCode >= 400;
    counters.add('requests');
    counters.add(failed ? 'failed' : 'succeeded');
    if (client !== undefined) clientCounts.add(client.place, failed);
    counters.add('bytesIn', exchange.bytesIn);
    counters.add('bytesOut', exchange.bytesOut);
    if (exchange.firstByteMs >= 0) counters.observe('firstByteMs', exchange.firstByteMs);
    counters.observe('totalMs', totalMs);
    if (exchange.waitedMs > 0) counters.observe('queueMs', exchange.waitedMs);
    const broke = exchange.ended !== undefined && exchange.ended !== 'client_left';
    const isOnlyGroup = this.#served.routing.groups.length === 1;
    const atMs = this.#wallClock.of(exchange.startMs, endMs);
    const over = new EndedRequest(exchange, { atMs, totalMs }, isOnlyGroup);
    if (exchange.isReading) exchange.whenRead = () => trails?.add(over);
    else trails?.add(over);
    if (broke || exchange.response.statusCode >= 500) accessLog.write('error', over);
    else if (failed || config.logEnableRequest) accessLog.write('info', over);
  };
}
