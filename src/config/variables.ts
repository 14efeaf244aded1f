// The one table of environment variables: name, default, rule and meaning of each, in the order in
// which people read them. It parses (config.ts), explains (cli/help.ts, check-config) and writes
// .env.example and the READMEs' tables (build/env-docs.ts): a new variable is one edit, here.

import * as rule from './rules.ts';

export interface Variable<T> {
  readonly name: string;
  /** In the variable's own spelling and unit. */
  readonly default: string;
  readonly rule: rule.Rule<T>;
  /** A second spelling, which wins, as in curl. */
  readonly alias?: string;
  /** Never shown, in no message. */
  readonly secret?: true;
  /** What it is for, in one line of each language. */
  readonly meaning: Meaning;
}

export interface Meaning {
  readonly en: string;
  readonly zh: string;
}

const SERVER = {
  port: variable('PORT', '3000', rule.integer(0, 65_535), {
    en: 'Port to listen on; 0 picks a free one',
    zh: '监听端口；0 表示自动选择空闲端口',
  }),
  host: variable('HOST', '0.0.0.0', rule.listenHost, {
    en: 'Address to listen on, or unix:/path of a socket',
    zh: '监听地址，或 unix:/路径 形式的套接字',
  }),
  unixSocketMode: variable('UNIX_SOCKET_MODE', '0660', rule.fileMode, {
    en: 'Permissions of the socket where HOST is unix:/path',
    zh: 'HOST 为 unix:/路径 时套接字的权限',
  }),
  workers: variable('WORKERS', 'auto', rule.workerCount(256), {
    en: 'Threads that serve requests; auto: one per core on Linux, one elsewhere',
    zh: '处理请求的线程数；auto：Linux 上每核一个，其他系统一个',
  }),
  maxConcurrentRequests: variable('MAX_CONCURRENT_REQUESTS', '100', rule.integer(1, 1_000_000), {
    en: 'Requests served at once; one more is answered 429',
    zh: '同时处理的请求数上限；超出的请求返回 429',
  }),
  enableGzip: variable('ENABLE_GZIP', 'true', rule.flag, {
    en: 'Compress answers that the upstream sent plain, never event streams',
    zh: '压缩上游未压缩的响应；事件流从不压缩',
  }),
  authKey: {
    ...variable('AUTH_KEY', '', rule.credential, {
      en: 'What clients must present; empty: everyone is served',
      zh: '客户端必须出示的密钥；留空则不校验',
    }),
    secret: true,
  },
  allowedHosts: variable('ALLOWED_HOSTS', '', rule.words, {
    en: 'Further names by which a gpt-load on loopback may be asked for /stats and the like',
    zh: '监听回环地址时，访问 /stats 等端点还允许使用的主机名',
  }),
  trustedProxies: variable('TRUSTED_PROXIES', '', rule.networks, {
    en: 'Addresses whose X-Forwarded-For is believed, for the access log',
    zh: '信任其 X-Forwarded-For 的代理地址，仅用于访问日志',
  }),
  tlsCertFile: variable('TLS_CERT_FILE', '', rule.path, {
    en: 'Certificate chain (PEM); with TLS_KEY_FILE, serve https',
    zh: '证书链（PEM）；与 TLS_KEY_FILE 一起设置后提供 https 服务',
  }),
  tlsKeyFile: variable('TLS_KEY_FILE', '', rule.path, {
    en: 'Private key (PEM) of TLS_CERT_FILE',
    zh: 'TLS_CERT_FILE 的私钥（PEM）',
  }),
} as const;

const KEYS = {
  configFile: variable('CONFIG_FILE', 'gpt-load.toml', rule.path, {
    en: 'File of groups and clients, optional; see gpt-load.example.toml',
    zh: '分组与客户端的配置文件，可选；参见 gpt-load.example.toml',
  }),
  keysFile: variable('KEYS_FILE', 'keys.txt', rule.path, {
    en: 'File of API keys, one per line',
    zh: 'API 密钥文件，每行一个',
  }),
  stateFile: variable('STATE_FILE', 'gpt-load.db', rule.path, {
    en: 'What was learned about keys; by default beside KEYS_FILE; empty: memory only',
    zh: '保存已了解的密钥状态；默认在 KEYS_FILE 旁；留空：只存内存',
  }),
  enableUsage: variable('ENABLE_USAGE', 'true', rule.flag, {
    en: 'Count the tokens that answers name, by client, group, model and key, for /usage',
    zh: '按客户端、分组、模型和密钥统计回答中注明的令牌数，供 /usage 查询',
  }),
  pricesFile: variable('PRICES_FILE', '', rule.path, {
    en: "Prices of models, as LiteLLM's model_prices_and_context_window.json has them, for cost_usd",
    zh: '模型价格文件，格式同 LiteLLM 的 model_prices_and_context_window.json，用于计算 cost_usd',
  }),
  alertWebhookUrl: {
    ...variable('ALERT_WEBHOOK_URL', '', rule.webhookUrl, {
      en: 'Webhook that is told changes of state: Slack, Discord, Feishu, ntfy ... or plain JSON',
      zh: '状态变化通知的 webhook 地址：Slack、Discord、飞书、钉钉、企业微信、Telegram、ntfy，或普通 JSON',
    }),
    secret: true,
  },
  startIndex: variable('START_INDEX', '0', rule.integer(0, 1_000_000_000), {
    en: 'The key that the rotation begins with, counted from 0',
    zh: '轮询从第几个密钥开始，从 0 计数',
  }),
  blacklistThreshold: variable('BLACKLIST_THRESHOLD', '1', rule.integer(1, 1000), {
    en: 'Rejections in a row that blacklist a key',
    zh: '密钥连续被拒绝多少次后列入黑名单',
  }),
  keyCooldownMs: variable('KEY_COOLDOWN', '5', rule.seconds(0.1), {
    en: 'First rest of a limited key, where the upstream names no time; doubles',
    zh: '上游未指明时间时，受限密钥首次冷却的秒数，之后逐次加倍',
  }),
  keyCooldownMaxMs: variable('KEY_COOLDOWN_MAX', '600', rule.seconds(0.1), {
    en: 'Longest rest that doubling leads to',
    zh: '加倍后的最长冷却时间',
  }),
  deadKeyProbeMs: variable('DEAD_KEY_PROBE_INTERVAL', '10800', rule.seconds(1), {
    en: 'How often a blacklisted key is tried again',
    zh: '多久重新探测一次黑名单中的密钥',
  }),
  modelAccessMs: variable('MODEL_ACCESS_COOLDOWN', '600', rule.seconds(1), {
    en: 'How long a key without access to a model is passed over for it',
    zh: '密钥无权使用某模型时，多久不再用它请求该模型',
  }),
  affinity: variable('AFFINITY', 'off', rule.choice(['off', 'session']), {
    en: 'session: requests of one conversation prefer one key, so that prompt caches hit',
    zh: 'session：同一会话的请求优先使用同一密钥，以便命中提示缓存',
  }),
  keyRpm: variable('KEY_RPM', '0', rule.integer(0, 1e9), {
    en: 'Requests a minute of each key whose line names none; 0: no limit',
    zh: '每个密钥每分钟的请求数上限（密钥行未自行指定时）；0：不限',
  }),
  keyTpm: variable('KEY_TPM', '0', rule.integer(0, 1e9), {
    en: 'Tokens a minute of each key, input and output; 0: no limit',
    zh: '每个密钥每分钟的令牌数上限（输入加输出）；0：不限',
  }),
  keyRpd: variable('KEY_RPD', '0', rule.integer(0, 2e6), {
    en: 'Requests of each key in a UTC day; 0: no limit',
    zh: '每个密钥每天（UTC）的请求数上限；0：不限',
  }),
  keyConcurrency: variable('KEY_CONCURRENCY', '0', rule.integer(0, 1e6), {
    en: 'Requests of each key at once; 0: no limit',
    zh: '每个密钥的并发请求数上限；0：不限',
  }),
  queueTimeoutMs: variable('QUEUE_TIMEOUT', '0', rule.seconds(0), {
    en: 'How long a request waits for a busy key or a place before it gets 429; 0: not at all',
    zh: '密钥或并发名额都被占用时，请求排队多久才返回 429；0：不排队',
  }),
} as const;

const UPSTREAMS = {
  upstreams: variable('OPENAI_BASE_URL', 'https://api.openai.com', rule.baseUrls, {
    en: 'Upstream base URLs, comma-separated, used in turn',
    zh: '上游基础地址，逗号分隔，轮流使用',
  }),
  maxRetries: variable('MAX_RETRIES', '3', rule.integer(0, 100), {
    en: 'Further attempts after one that failed at the upstream; 0: one attempt in all',
    zh: '因上游失败后最多再尝试的次数；0：总共只尝试一次',
  }),
  maxKeySwitches: variable('MAX_KEY_SWITCHES', '10', rule.integer(1, 1000), {
    en: 'Further attempts after those that a key itself ended: dead, limited, no access',
    zh: '因密钥自身（失效、受限、无权使用）而结束的尝试次数上限，另行计数',
  }),
  maxReplayBodyBytes: variable('MAX_REPLAY_BODY_MB', '32', rule.mebibytes(1024), {
    en: 'Largest request body, in MiB, kept for another attempt',
    zh: '为重试而保留的请求体上限（MiB）',
  }),
  forwardClientAddress: variable('FORWARD_CLIENT_ADDRESS', 'false', rule.flag, {
    en: "Pass on the client's X-Forwarded-For, X-Real-IP, Forwarded and Via",
    zh: '向上游转发客户端的 X-Forwarded-For、X-Real-IP、Forwarded 和 Via',
  }),
  upstreamFailureThreshold: variable('UPSTREAM_FAILURE_THRESHOLD', '5', rule.integer(1, 1000), {
    en: 'Faults in a row that take an upstream out of rotation',
    zh: '上游连续故障多少次后暂时移出轮询',
  }),
  upstreamCooldownMs: variable('UPSTREAM_COOLDOWN', '5', rule.seconds(0.1), {
    en: 'First rest of such an upstream, in seconds; doubles up to 60',
    zh: '移出后首次冷却的秒数，逐次加倍，最长 60',
  }),
  upstreamHttp2: variable('UPSTREAM_HTTP2', 'true', rule.flag, {
    en: 'Speak HTTP/2 to upstreams that offer it',
    zh: '上游支持时使用 HTTP/2',
  }),
  extraCaFile: variable('EXTRA_CA_FILE', '', rule.path, {
    en: 'Certificate authorities (PEM) to trust besides the public ones',
    zh: '除公共证书外另行信任的 CA 证书（PEM）',
  }),
  httpProxy: variable('http_proxy', '', rule.proxyUrl, {
    en: 'Proxy to http:// upstreams; lower case only, as in curl',
    zh: '访问 http:// 上游的代理；与 curl 一样只认小写',
  }),
  httpsProxy: {
    ...variable('HTTPS_PROXY', '', rule.proxyUrl, {
      en: 'Proxy to https:// upstreams: an http, https, socks4(a) or socks5(h) URL',
      zh: '访问 https:// 上游的代理：http、https、socks4(a) 或 socks5(h) 地址',
    }),
    alias: 'https_proxy',
  },
  allProxy: {
    ...variable('ALL_PROXY', '', rule.proxyUrl, {
      en: 'Proxy to upstreams that have none of the two above',
      zh: '以上两项都未设置时使用的代理',
    }),
    alias: 'all_proxy',
  },
  upstreamProxies: variable('UPSTREAM_PROXIES', '', rule.upstreamProxies, {
    en: 'Proxies of single upstreams: HOST=PROXY_URL or HOST=direct, comma-separated',
    zh: '单个上游的代理：HOST=代理地址 或 HOST=direct，逗号分隔',
  }),
  noProxy: {
    ...variable('NO_PROXY', '', rule.words, {
      en: 'Hosts and domains that are reached without a proxy; * for all',
      zh: '不经代理直接访问的主机和域名；* 表示全部',
    }),
    alias: 'no_proxy',
  },
} as const;

const TIMEOUTS = {
  requestTimeoutMs: variable('REQUEST_TIMEOUT', '30', rule.seconds(0), {
    en: 'Whole of one attempt, unless its answer is streamed; 0: no limit',
    zh: '非流式响应一次尝试的总时限；0：不限',
  }),
  responseTimeoutMs: variable('RESPONSE_TIMEOUT', '30', rule.seconds(0), {
    en: 'TLS handshake and response headers of a streamed answer; 0: no limit',
    zh: '流式响应的 TLS 握手与响应头时限；0：不限',
  }),
  connectTimeoutMs: variable('CONNECT_TIMEOUT', '10', rule.seconds(0.1), {
    en: 'Connecting to an upstream',
    zh: '连接上游的时限',
  }),
  firstEventTimeoutMs: variable('FIRST_EVENT_TIMEOUT', '0', rule.seconds(0), {
    en: 'First event of a stream, before another key is tried; 0: no limit',
    zh: '等待流的第一个事件的时限，超时换密钥重试；0：不限',
  }),
  streamIdleTimeoutMs: variable('STREAM_IDLE_TIMEOUT', '300', rule.seconds(0), {
    en: 'Silence within a streamed answer; 0: no limit',
    zh: '流式响应中允许的静默时间；0：不限',
  }),
  idleConnTimeoutMs: variable('IDLE_CONN_TIMEOUT', '120', rule.seconds(0), {
    en: 'How long an unused upstream connection is kept',
    zh: '空闲的上游连接保留多久',
  }),
  serverReadTimeoutMs: variable('SERVER_READ_TIMEOUT', '120', rule.seconds(0), {
    en: 'Reading one request of a client; 0: no limit',
    zh: '读取客户端一个请求的时限；0：不限',
  }),
  serverWriteTimeoutMs: variable('SERVER_WRITE_TIMEOUT', '1800', rule.seconds(0), {
    en: 'A client that takes no byte of its answer; 0: no limit',
    zh: '客户端不接收响应数据的时限；0：不限',
  }),
  serverIdleTimeoutMs: variable('SERVER_IDLE_TIMEOUT', '120', rule.seconds(0), {
    en: 'How long an unused client connection is kept',
    zh: '空闲的客户端连接保留多久',
  }),
  gracefulShutdownTimeoutMs: variable('SERVER_GRACEFUL_SHUTDOWN_TIMEOUT', '60', rule.seconds(0), {
    en: 'Time for running requests and streams to end at shutdown',
    zh: '关闭时留给进行中的请求和流的时间',
  }),
} as const;

const CORS = {
  enableCors: variable('ENABLE_CORS', 'true', rule.flag, {
    en: 'Answer browsers of other origins',
    zh: '允许其他来源的浏览器页面访问',
  }),
  allowedOrigins: variable('ALLOWED_ORIGINS', '*', rule.origins, {
    en: 'Origins allowed, comma-separated, or *',
    zh: '允许的来源，逗号分隔，或 *',
  }),
  allowedMethods: variable('ALLOWED_METHODS', 'GET,POST,PUT,DELETE,OPTIONS', rule.tokens, {
    en: 'Methods allowed to them',
    zh: '允许的方法',
  }),
  allowedHeaders: variable('ALLOWED_HEADERS', '*', rule.tokens, {
    en: 'Request headers allowed to them, or *',
    zh: '允许的请求头，或 *',
  }),
  allowCredentials: variable('ALLOW_CREDENTIALS', 'false', rule.flag, {
    en: 'Allow them cookies and HTTP authentication; not with origins *',
    zh: '允许携带 Cookie 和 HTTP 认证；来源为 * 时不可用',
  }),
} as const;

const LOGS = {
  logLevel: variable('LOG_LEVEL', 'info', rule.choice(['debug', 'info', 'warn', 'error']), {
    en: 'debug, info, warn or error',
    zh: 'debug、info、warn 或 error',
  }),
  logFormat: variable('LOG_FORMAT', 'text', rule.choice(['text', 'json']), {
    en: 'text for people, json for machines',
    zh: 'text 便于阅读，json 便于机器处理',
  }),
  logEnableRequest: variable('LOG_ENABLE_REQUEST', 'true', rule.flag, {
    en: 'One line per request; false: only for those that failed (4xx, 5xx, cut short)',
    zh: '每个请求记录一行；false：只记录失败的请求（4xx、5xx、中途断开）',
  }),
  logEnableFile: variable('LOG_ENABLE_FILE', 'false', rule.flag, {
    en: 'Log to LOG_FILE_PATH as well',
    zh: '同时写入 LOG_FILE_PATH',
  }),
  logFilePath: variable('LOG_FILE_PATH', 'logs/app.log', rule.path, {
    en: 'The log file; reopened on SIGHUP; one that fails or hangs costs its lines only',
    zh: '日志文件；收到 SIGHUP 时重新打开；写不进去或无响应时只丢失日志行',
  }),
} as const;

const FLEET = {
  fleetUrl: {
    ...variable('FLEET_URL', '', rule.serverUrl, {
      en: 'Redis or Valkey by which instances share what they learn: a redis:// or rediss:// URL',
      zh: '多个实例共享密钥状态所用的 Redis 或 Valkey：redis:// 或 rediss:// 地址',
    }),
    secret: true,
  },
  fleetCaFile: variable('FLEET_CA_FILE', '', rule.path, {
    en: 'Certificate authorities (PEM) of a rediss:// server, in place of the public ones',
    zh: 'rediss:// 服务器的 CA 证书（PEM），取代公共证书',
  }),
  fleetName: variable('FLEET_NAME', 'gpt-load', rule.fleetName, {
    en: 'What the names of all keys on that server begin with; one for each fleet',
    zh: '该服务器上所有键名的前缀；每个集群一个',
  }),
  fleetSecret: {
    ...variable('FLEET_SECRET', '', rule.credential, {
      en: 'What all instances of a fleet have in common; empty: AUTH_KEY',
      zh: '同一集群各实例共用的密钥；留空则使用 AUTH_KEY',
    }),
    secret: true,
  },
} as const;

const TABLE = {
  ...SERVER,
  ...KEYS,
  ...UPSTREAMS,
  ...TIMEOUTS,
  ...CORS,
  ...LOGS,
  ...FLEET,
} as const;

type ValueOf<V> = V extends Variable<infer T> ? T : never;

/** What can be set, by field: one value per variable. */
export type Settings = {
  readonly [Field in keyof typeof TABLE]: ValueOf<(typeof TABLE)[Field]>;
};

/** Every variable under the field that it sets. */
export const VARIABLES: { readonly [Field in keyof Settings]: Variable<Settings[Field]> } = TABLE;

/** The same variables in their sections, in reading order. */
export const SECTIONS = [
  section({ en: 'Server', zh: '服务' }, SERVER),
  section({ en: 'Keys (times in seconds)', zh: '密钥（时间单位：秒）' }, KEYS),
  section({ en: 'Upstreams and retries', zh: '上游与重试' }, UPSTREAMS),
  section({ en: 'Timeouts, in seconds', zh: '超时（秒）' }, TIMEOUTS),
  section({ en: 'CORS', zh: '跨域' }, CORS),
  section({ en: 'Logs', zh: '日志' }, LOGS),
  section({ en: 'Several instances', zh: '多实例' }, FLEET),
] as const;

function variable<T>(
  name: string,
  defaultText: string,
  held: rule.Rule<T>,
  meaning: Meaning,
): Variable<T> {
  return { name, default: defaultText, rule: held, meaning };
}

function section(title: Meaning, variables: object) {
  return { title, fields: Object.keys(variables) as (keyof Settings)[] };
}
