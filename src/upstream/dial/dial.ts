// Opens connections to upstreams: DNS, TCP (Happy Eyeballs), an outgoing proxy where one is
// configured, TLS. Each step has its time limit, and a failure is a Fault that says which step
// failed; when to connect is decided by the transports.
//
// A plain http destination behind an http proxy is not tunnelled: such proxies usually allow
// CONNECT to port 443 alone (tinyproxy's ConnectPort, squid's SSL_ports). As curl does, the request
// goes to the proxy in absolute form, see `forwarding`; but not a WebSocket's: proxies take the
// upgrade off, and RFC 6455 4.1 asks for a tunnel.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Fault, FaultCode } from '../../policy/verdict.ts';
import { tls } from '../on-demand.ts';
import { authorityOf, connectTunnel, proxyAuthorization } from './connect-tunnel.ts';
import { connectTcp } from './dial-tcp.ts';
import { secure, type TlsPeer, type TlsShared } from './dial-tls.ts';
import type { DnsCache } from './dns-cache.ts';
import { isDescriptorError, isOutOfDescriptors } from './out-of-descriptors.ts';
import {
  type Destination,
  type OutgoingProxy,
  ProxyChoice,
  type ProxySettings,
} from './outgoing-proxy.ts';
import { connectSocks, DestinationError } from './socks.ts';
import { SpareSockets } from './spare-sockets.ts';
import { timeLimit, within } from './time-limit.ts';
import { TlsSessionCache } from './tls-session-cache.ts';

export interface DialOptions {
  readonly dns: DnsCache;
  readonly proxies: ProxySettings;
  /**
   * Limit of DNS and TCP together, and again of the proxy's and of the TLS handshake; milliseconds.
   */
  readonly connectTimeoutMs: number;
  /** Certificate authorities to trust, PEM; undefined: Node's own (see `trustedAuthorities`). */
  readonly authorities?: readonly string[] | undefined;
}

export interface DialTarget extends Destination {
  /** Protocols to offer over TLS, the preferred one first (RFC 7301). */
  readonly alpn: readonly string[];
  /** Through an http proxy only by CONNECT, whatever the protocol. */
  readonly tunnel?: boolean;
}

export interface DialedSocket {
  readonly kind: 'socket';
  readonly socket: Socket;
  /** The protocol that was negotiated; null: none was. */
  readonly alpn: string | null;
}

export type Dialed = DialedSocket | Fault;

/** For interfaces that want an Error: carries the fault. */
export class DialError extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.name = 'DialError';
    this.fault = fault;
  }
}

/** Errors of a TLS handshake that say only that the connection went away. */
const CONNECTION_LOST = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

export class Dialer {
  readonly #dns: DnsCache;
  readonly #connectTimeoutMs: number;
  readonly #proxies: ProxyChoice;
  readonly #authorities: readonly string[] | undefined;
  #tls: TlsShared | undefined;
  readonly #spare = new SpareSockets();

  /** @throws ConfigError for a proxy URL that does not parse. */
  constructor(options: DialOptions) {
    this.#dns = options.dns;
    this.#connectTimeoutMs = options.connectTimeoutMs;
    this.#proxies = new ProxyChoice(options.proxies);
    this.#authorities = options.authorities;
  }

  /**
   * A connection ready for HTTP. A signal that aborts ends the attempt with the fault
   * `client_left`.
   */
  async dial(target: DialTarget, signal?: AbortSignal): Promise<Dialed> {
    const dialed = await this.#dial(target, signal);
    if (signal?.aborted !== true) return dialed;
    if (dialed.kind === 'socket') dialed.socket.destroy();
    return fault('client_left', 'the connection is no longer wanted');
  }

  /**
   * `dial` in the shape of an http.Agent's createConnection; the error is a DialError. A connection
   * that was offered for the same peer is used up first.
   */
  connect(target: DialTarget, done: (error: Error | null, socket?: Socket) => void): void {
    const offered = this.#spare.take(wayTo(target));
    if (offered !== undefined) return void process.nextTick(done, null, offered);
    const onDialed = (dialed: Dialed): void => {
      if (dialed.kind === 'socket') done(null, dialed.socket);
      else done(new DialError(dialed));
    };
    // Faults are values: a rejection is a bug of ours, and must not leave the request waiting.
    this.dial(target).then(onDialed, (error: Error) => done(error));
  }

  /** Hands over an open HTTP/1.1 connection that `connect` is soon to ask for. */
  offer(target: Destination, socket: Socket): void {
    this.#spare.keep(wayTo(target), socket);
  }

  /**
   * Set for a plain http destination behind an http proxy: requests on its connections are in
   * absolute form, `prefix` and then the path (RFC 9112 section 3.2.2), and carry `authorization`
   * as Proxy-Authorization.
   */
  forwarding(target: DialTarget): { prefix: string; authorization: string | null } | null {
    const proxy = this.#proxies.for(target);
    if (proxy === null || !forwards(proxy, target)) return null;
    return { prefix: `http://${authorityOf(target)}`, authorization: proxyAuthorization(proxy) };
  }

  async #dial(target: DialTarget, signal: AbortSignal | undefined): Promise<Dialed> {
    const proxy = this.#proxies.for(target);
    const connected =
      proxy === null ? await this.#tcp(target, signal) : await this.#via(proxy, target, signal);
    if ('kind' in connected || target.protocol === 'http:') return asDialed(connected);
    const secured = await this.#secure(connected, target, signal);
    if (!(secured instanceof Error)) return asDialed(secured);
    const lost = CONNECTION_LOST.has((secured as NodeJS.ErrnoException).code ?? '');
    // Local proxies accept first and connect later: what they cannot reach looks like a connection
    // lost in the handshake.
    if (proxy !== null && lost) return routeFault(proxy, secured);
    return fault('tls', `TLS with ${authorityOf(target)}: ${ownAdvice(secured.message)}`);
  }

  /** Through a proxy: connected to it, and by it to the target. */
  async #via(
    proxy: OutgoingProxy,
    target: DialTarget,
    signal: AbortSignal | undefined,
  ): Promise<Socket | Fault> {
    const tcp = await this.#tcp(proxy, signal);
    if ('kind' in tcp) return tcp.code === 'descriptors' ? tcp : routeFault(proxy, tcp);
    let socket: Socket = tcp;
    if (proxy.scheme === 'https') {
      const hop = { hostname: proxy.hostname, port: proxy.port, alpn: ['http/1.1'] };
      const secured = await this.#secure(socket, hop, signal);
      if (secured instanceof Error) return routeFault(proxy, secured);
      socket = secured;
    }
    if (forwards(proxy, target)) return socket;
    const refusal = await this.#handshake(socket, proxy, target, signal);
    if (refusal === null) return socket;
    socket.destroy();
    if ('kind' in refusal) return refusal;
    return refusal instanceof DestinationError
      ? fault('connect', `${authorityOf(target)} behind ${proxy.name}: ${refusal.message}`)
      : routeFault(proxy, refusal);
  }

  async #handshake(
    socket: Socket,
    proxy: OutgoingProxy,
    target: DialTarget,
    signal: AbortSignal | undefined,
  ): Promise<Error | Fault | null> {
    using limit = timeLimit(signal, this.#connectTimeoutMs, 'the handshake');
    if (proxy.scheme === 'http' || proxy.scheme === 'https') {
      return await connectTunnel(socket, proxy, target, limit.signal);
    }
    if (proxy.scheme === 'socks5h' || proxy.scheme === 'socks4a') {
      return await connectSocks(
        socket,
        proxy,
        { host: target.hostname, port: target.port },
        limit.signal,
      );
    }
    const addresses = await within(this.#dns.lookup(target.hostname), limit.signal);
    if (addresses instanceof Error) return lookupFault(addresses);
    const ipv4 = addresses.find((address) => address.family === 4);
    const host = (ipv4 ?? addresses[0])?.address ?? target.hostname;
    return await connectSocks(socket, proxy, { host, port: target.port }, limit.signal);
  }

  async #tcp(
    { hostname, port }: Pick<Destination, 'hostname' | 'port'>,
    signal: AbortSignal | undefined,
  ): Promise<Socket | Fault> {
    using limit = timeLimit(signal, this.#connectTimeoutMs, 'connecting');
    const addresses = await within(this.#dns.lookup(hostname), limit.signal);
    if (addresses instanceof Error) return lookupFault(addresses);
    const socket = await connectTcp(addresses, port, limit.signal);
    if (!(socket instanceof Error)) return socket;
    this.#dns.expire(hostname);
    const code = limit.signal.aborted ? 'connect_timeout' : connectFault(socket);
    return fault(code, `${authorityOf({ hostname, port })}: ${socket.message}`);
  }

  async #secure(
    socket: Socket,
    peer: TlsPeer,
    signal: AbortSignal | undefined,
  ): Promise<TLSSocket | Error> {
    using limit = timeLimit(signal, this.#connectTimeoutMs, 'the handshake');
    this.#tls ??= sharedTls(this.#authorities);
    return await secure(socket, peer, this.#tls, limit.signal);
  }
}

/** Made when first needed: reading a hundred root certificates takes 20 ms and some megabytes. */
function sharedTls(authorities: readonly string[] | undefined): TlsShared {
  const context = tls().createSecureContext(
    authorities === undefined ? {} : { ca: [...authorities] },
  );
  return { context, sessions: new TlsSessionCache() };
}

function forwards(proxy: OutgoingProxy, { protocol, tunnel }: DialTarget): boolean {
  if (protocol !== 'http:' || tunnel === true) return false;
  return proxy.scheme === 'http' || proxy.scheme === 'https';
}

function asDialed(result: Socket | Fault): Dialed {
  if ('kind' in result) return result;
  const negotiated = (result as Partial<TLSSocket>).alpnProtocol;
  return { kind: 'socket', socket: result, alpn: negotiated || null };
}

/** Node advises an option of its own; here a variable does the same. */
function ownAdvice(message: string): string {
  const [what = '', advice] = message.split(/; if the root CA is installed locally/);
  return advice === undefined ? what : `${what}; set EXTRA_CA_FILE to its CA certificate`;
}

/** That there are no descriptors left is nobody's fault but ours. */
function connectFault(error: NodeJS.ErrnoException): FaultCode {
  return isDescriptorError(error) ? 'descriptors' : 'connect';
}

function lookupFault(error: Error): Fault {
  const isOurs = isDescriptorError(error) || isOutOfDescriptors();
  return fault(isOurs ? 'descriptors' : 'dns', error.message);
}

function routeFault(proxy: OutgoingProxy, error: { readonly message: string }): Fault {
  return fault('route', `proxy ${proxy.name}: ${error.message}`);
}

function fault(code: FaultCode, message: string): Fault {
  return { kind: 'fault', code, sent: false, message };
}

/**
 * What connections must have in common to stand in for one another: the peer, and a key's proxy.
 */
function wayTo(target: Destination): string {
  const { proxy = '' } = target;
  return `${authorityOf(target)} ${proxy}`;
}
