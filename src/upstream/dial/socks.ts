// SOCKS 4, 4a and 5 handshakes (RFC 1928, RFC 1929) on a connection to the proxy that is already
// open. The `a` and `h` forms leave the name to the proxy's resolver; the others are given an
// address by the caller.

import { isIP, type Socket } from 'node:net';
import type { OutgoingProxy } from './outgoing-proxy.ts';
import { SocketReader } from './socket-reader.ts';

/** What the proxy is asked to connect to: a name where it resolves, else an address. */
export interface SocksTarget {
  readonly host: string;
  readonly port: number;
}

/** The proxy did its work and says that the destination itself refused or cannot be reached. */
export class DestinationError extends Error {}

const NO_AUTH = 0x00;
const USERNAME_PASSWORD = 0x02;
/**
 * Names, user names and passwords are preceded by one length byte (RFC 1928 section 5, RFC 1929
 * section 2).
 */
const MAX_FIELD_BYTES = 255;

const SOCKS5_REPLIES: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'not allowed by its rules',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'TTL expired',
  7: 'command not supported',
  8: 'address type not supported',
};

/** Asks for a connection; null: it is open. */
export async function connectSocks(
  socket: Socket,
  proxy: OutgoingProxy,
  target: SocksTarget,
  signal: AbortSignal,
): Promise<Error | null> {
  const fields = [target.host, proxy.username, proxy.password];
  if (fields.some((field) => Buffer.byteLength(field) > MAX_FIELD_BYTES)) {
    return new Error(`SOCKS cannot carry a name of more than ${MAX_FIELD_BYTES} bytes`);
  }
  using reader = new SocketReader(socket, signal);
  // Awaited here: the reader must live until the handshake is over.
  return proxy.scheme === 'socks4' || proxy.scheme === 'socks4a'
    ? await connect4(socket, reader, proxy.username, target)
    : await connect5(socket, reader, proxy, target);
}

async function connect5(
  socket: Socket,
  reader: SocketReader,
  proxy: OutgoingProxy,
  target: SocksTarget,
): Promise<Error | null> {
  const withPassword = proxy.username !== '' || proxy.password !== '';
  const methods = withPassword ? [NO_AUTH, USERNAME_PASSWORD] : [NO_AUTH];
  socket.write(Buffer.from([5, methods.length, ...methods]));
  const choice = await reader.exactly(2);
  if (choice instanceof Error) return choice;
  if (choice[0] !== 5) return new Error('the reply is not SOCKS 5');
  if (choice[1] === USERNAME_PASSWORD && withPassword) {
    socket.write(Buffer.concat([Buffer.of(1), field(proxy.username), field(proxy.password)]));
    const answer = await reader.exactly(2);
    if (answer instanceof Error) return answer;
    if (answer[1] !== 0) return new Error('user name and password were rejected');
  } else if (choice[1] !== NO_AUTH) {
    return new Error('it requires authentication, and none is configured');
  }
  socket.write(Buffer.concat([Buffer.of(5, 1, 0), address5(target.host), port(target.port)]));
  return reply5(reader);
}

/** Reads the reply whole: what follows its bound address already belongs to the destination. */
async function reply5(reader: SocketReader): Promise<Error | null> {
  const head = await reader.exactly(4);
  if (head instanceof Error) return head;
  const code = head[1] ?? 0;
  if (code !== 0) {
    const message = `SOCKS: ${SOCKS5_REPLIES[code] ?? `reply ${code}`}`;
    return code === 4 || code === 5 ? new DestinationError(message) : new Error(message);
  }
  let bytes = head[3] === 1 ? 4 : 16;
  if (head[3] === 3) {
    const length = await reader.exactly(1);
    if (length instanceof Error) return length;
    bytes = length[0] ?? 0;
  }
  const bound = await reader.exactly(bytes + 2);
  return bound instanceof Error ? bound : null;
}

async function connect4(
  socket: Socket,
  reader: SocketReader,
  userId: string,
  target: SocksTarget,
): Promise<Error | null> {
  const address = isIP(target.host) === 4;
  if (isIP(target.host) === 6) return new Error('SOCKS 4 cannot carry an IPv6 address');
  socket.write(
    Buffer.concat([
      Buffer.of(4, 1),
      port(target.port),
      // 0.0.0.x says that a name follows (SOCKS 4a).
      address ? ipBytes(target.host) : Buffer.of(0, 0, 0, 1),
      Buffer.from(`${userId}\0${address ? '' : `${target.host}\0`}`),
    ]),
  );
  const answer = await reader.exactly(8);
  if (answer instanceof Error) return answer;
  // 91: rejected or failed, without saying which; 92 and 93: the user id.
  return answer[1] === 90 ? null : new Error(`SOCKS: reply ${answer[1]}`);
}

function address5(host: string): Buffer {
  const family = isIP(host);
  if (family === 0) return Buffer.concat([Buffer.of(3), field(host)]);
  return Buffer.concat([Buffer.of(family === 4 ? 1 : 4), ipBytes(host)]);
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function port(number: number): Buffer {
  return Buffer.of(number >> 8, number & 0xff);
}

/** The 4 or 16 bytes of a literal address. */
function ipBytes(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.from(host.split('.').map(Number));
  // The URL parser writes an embedded IPv4 part as hexadecimal and leaves at most one `::`.
  const canonical = new URL(`http://[${host.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
