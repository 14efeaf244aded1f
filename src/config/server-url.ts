// How FLEET_URL names a Redis or Valkey server: one by its address, or whichever the Sentinels say
// is the primary. Reads and writes such addresses; who connects is store/valkey/.

/** A server, or those who know where it is. */
export interface ServerUrl {
  readonly tls: boolean;
  /** `user:password`, percent-encoded as given; '' for none. Never to be shown. */
  readonly credentials: string;
  /** `host:port`: the server, or the Sentinels. */
  readonly places: readonly string[];
  /** What the Sentinels call the servers; '' where the server itself is named. */
  readonly primary: string;
  readonly database: string;
}

const SHAPE = /^redis(s?)(\+sentinel)?:\/\/(?:([^@/?#\s]*)@)?([^@/?#\s]+)(?:\/([^?#\s]*))?$/i;
const SERVER_PORT = 6379;
const SENTINEL_PORT = 26_379;

/** Undefined: it is none. */
export function parseServerUrl(text: string): ServerUrl | undefined {
  const parts = SHAPE.exec(text);
  if (parts === null) return undefined;
  const [, secure, sentinel, credentials = '', hosts = '', path = ''] = parts;
  const hasSentinels = sentinel !== undefined;
  const port = hasSentinels ? SENTINEL_PORT : SERVER_PORT;
  const places = hosts.split(',').map((host) => placeOf(host, port));
  const [primary, database = '', ...rest] = hasSentinels ? path.split('/') : ['', path];
  const isRight =
    places.every((place) => place !== undefined) &&
    (hasSentinels ? /^[\w.-]+$/.test(primary ?? '') : places.length === 1) &&
    /^\d{0,3}$/.test(database) &&
    rest.length === 0 &&
    URL.canParse(`redis://${credentials}@host`);
  if (!isRight) return undefined;
  const named = { places: places as string[], primary: primary ?? '', database };
  return { tls: secure !== '', credentials, ...named };
}

/** The URL of one server among those of a {@link ServerUrl}. */
export function urlOf({ tls, credentials, database }: ServerUrl, place: string): string {
  const user = credentials === '' ? '' : `${credentials}@`;
  return `${tls ? 'rediss' : 'redis'}://${user}${place}/${database}`;
}

function placeOf(host: string, port: number): string | undefined {
  const url = URL.parse(`redis://${host}`);
  if (url === null || url.hostname === '' || url.pathname !== '') return undefined;
  return `${url.hostname}:${url.port === '' ? port : url.port}`;
}
