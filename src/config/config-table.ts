// The one table of environment variables: name, default and rule of each, in the order in which
// people read them. It parses (config.ts), explains (cli/help.ts, check-config) and writes
// .env.example and the README tables (build/env-docs.ts). What each is for is said in
// config-about.ts.

import type { Config } from './config.ts';
import * as rule from './config-rules.ts';

/** What can be set, one value a variable: Config with the outgoing proxies laid flat. */
export interface Settings extends Omit<Config, 'proxies'> {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly allProxy: string;
  readonly noProxy: readonly string[];
  readonly upstreamProxies: readonly string[];
}

export interface Variable<T> {
  readonly name: string;
  /** In the variable's own spelling and unit. */
  readonly default: string;
  readonly rule: rule.Rule<T>;
  /** A second spelling, which wins, as in curl. */
  readonly alias?: string;
  /** Never shown, in no message. */
  readonly secret?: true;
}

const SERVER = {
  port: variable('PORT', '3000', rule.integer(0, 65_535)),
  host: variable('HOST', '0.0.0.0', rule.listenHost),
  workers: variable('WORKERS', 'auto', rule.workerCount(256)),
  maxConcurrentRequests: variable('MAX_CONCURRENT_REQUESTS', '100', rule.integer(1, 1_000_000)),
  enableGzip: variable('ENABLE_GZIP', 'true', rule.flag),
  authKey: { ...variable('AUTH_KEY', '', rule.credential), secret: true },
  trustedProxies: variable('TRUSTED_PROXIES', '', rule.networks),
  tlsCertFile: variable('TLS_CERT_FILE', '', rule.path),
  tlsKeyFile: variable('TLS_KEY_FILE', '', rule.path),
} as const;

const KEYS = {
  keysFile: variable('KEYS_FILE', 'keys.txt', rule.path),
  stateFile: variable('STATE_FILE', 'gpt-load.db', rule.path),
  startIndex: variable('START_INDEX', '0', rule.integer(0, 1_000_000_000)),
  blacklistThreshold: variable('BLACKLIST_THRESHOLD', '1', rule.integer(1, 1000)),
  keyCooldownMs: variable('KEY_COOLDOWN', '5', rule.seconds(0.1)),
  keyCooldownMaxMs: variable('KEY_COOLDOWN_MAX', '600', rule.seconds(0.1)),
  deadKeyProbeMs: variable('DEAD_KEY_PROBE_INTERVAL', '10800', rule.seconds(1)),
  modelAccessMs: variable('MODEL_ACCESS_COOLDOWN', '600', rule.seconds(1)),
} as const;

const UPSTREAMS = {
  upstreams: variable('OPENAI_BASE_URL', 'https://api.openai.com', rule.baseUrls),
  maxRetries: variable('MAX_RETRIES', '3', rule.integer(0, 100)),
  maxReplayBodyBytes: variable('MAX_REPLAY_BODY_MB', '32', rule.mebibytes(1024)),
  upstreamFailureThreshold: variable('UPSTREAM_FAILURE_THRESHOLD', '5', rule.integer(1, 1000)),
  upstreamCooldownMs: variable('UPSTREAM_COOLDOWN', '5', rule.seconds(0.1)),
  upstreamHttp2: variable('UPSTREAM_HTTP2', 'true', rule.flag),
  extraCaFile: variable('EXTRA_CA_FILE', '', rule.path),
  httpProxy: variable('http_proxy', '', rule.proxyUrl),
  httpsProxy: { ...variable('HTTPS_PROXY', '', rule.proxyUrl), alias: 'https_proxy' },
  allProxy: { ...variable('ALL_PROXY', '', rule.proxyUrl), alias: 'all_proxy' },
  upstreamProxies: variable('UPSTREAM_PROXIES', '', rule.upstreamProxies),
  noProxy: { ...variable('NO_PROXY', '', rule.words), alias: 'no_proxy' },
} as const;

const TIMEOUTS = {
  requestTimeoutMs: variable('REQUEST_TIMEOUT', '30', rule.seconds(0)),
  responseTimeoutMs: variable('RESPONSE_TIMEOUT', '30', rule.seconds(0)),
  connectTimeoutMs: variable('CONNECT_TIMEOUT', '10', rule.seconds(0.1)),
  firstEventTimeoutMs: variable('FIRST_EVENT_TIMEOUT', '0', rule.seconds(0)),
  streamIdleTimeoutMs: variable('STREAM_IDLE_TIMEOUT', '300', rule.seconds(0)),
  idleConnTimeoutMs: variable('IDLE_CONN_TIMEOUT', '120', rule.seconds(0)),
  serverReadTimeoutMs: variable('SERVER_READ_TIMEOUT', '120', rule.seconds(0)),
  serverWriteTimeoutMs: variable('SERVER_WRITE_TIMEOUT', '1800', rule.seconds(0)),
  serverIdleTimeoutMs: variable('SERVER_IDLE_TIMEOUT', '120', rule.seconds(0)),
  gracefulShutdownTimeoutMs: variable('SERVER_GRACEFUL_SHUTDOWN_TIMEOUT', '60', rule.seconds(0)),
} as const;

const CORS = {
  enableCors: variable('ENABLE_CORS', 'true', rule.flag),
  allowedOrigins: variable('ALLOWED_ORIGINS', '*', rule.origins),
  allowedMethods: variable('ALLOWED_METHODS', 'GET,POST,PUT,DELETE,OPTIONS', rule.tokens),
  allowedHeaders: variable('ALLOWED_HEADERS', '*', rule.tokens),
  allowCredentials: variable('ALLOW_CREDENTIALS', 'false', rule.flag),
} as const;

const LOGS = {
  logLevel: variable('LOG_LEVEL', 'info', rule.choice(['debug', 'info', 'warn', 'error'])),
  logFormat: variable('LOG_FORMAT', 'text', rule.choice(['text', 'json'])),
  logEnableRequest: variable('LOG_ENABLE_REQUEST', 'true', rule.flag),
  logEnableFile: variable('LOG_ENABLE_FILE', 'false', rule.flag),
  logFilePath: variable('LOG_FILE_PATH', 'logs/app.log', rule.path),
} as const;

/** Every variable under the field that it sets. */
export const VARIABLES: { readonly [Field in keyof Settings]: Variable<Settings[Field]> } = {
  ...SERVER,
  ...KEYS,
  ...UPSTREAMS,
  ...TIMEOUTS,
  ...CORS,
  ...LOGS,
};

/** The same variables in their groups, in reading order. */
export const GROUPS = [
  group('Server', SERVER),
  group('Keys (times in seconds)', KEYS),
  group('Upstreams and retries', UPSTREAMS),
  group('Timeouts, in seconds', TIMEOUTS),
  group('CORS', CORS),
  group('Logs', LOGS),
] as const;

function variable<T>(name: string, defaultText: string, held: rule.Rule<T>): Variable<T> {
  return { name, default: defaultText, rule: held };
}

function group(title: string, variables: object) {
  return { title, fields: Object.keys(variables) as (keyof Settings)[] };
}
