// The one table of environment variables: name, default, rule and meaning of each, in the order in
// which people read them. It parses (config.ts), explains (cli/help.ts, check-config) and writes
// .env.example and the tables of docs/configuration.md (build/env-docs.ts): a new variable is one
// edit, here.

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
    en: 'Address to listen on, or unix:/path for a Unix socket',
    zh: '监听地址；也可用 unix:/路径 监听 Unix 套接字',
  }),
  unixSocketMode: variable('UNIX_SOCKET_MODE', '0660', rule.fileMode, {
    en: 'Permissions of the socket when HOST is unix:/path',
    zh: 'HOST 为 unix:/路径 时，套接字文件的权限',
  }),
  workers: variable('WORKERS', 'auto', rule.workerCount(256), {
    en: 'Threads that serve requests; auto: one per core on Linux, one elsewhere',
    zh: '处理请求的线程数；auto：Linux 上每核一个，其他系统一个',
  }),
  maxConcurrentRequests: variable('MAX_CONCURRENT_REQUESTS', '100', rule.integer(1, 1_000_000), {
    en: 'Maximum number of concurrent requests; any more get 429',
    zh: '最大并发请求数；超出的请求返回 429',
  }),
  enableGzip: variable('ENABLE_GZIP', 'true', rule.flag, {
    en: 'Compress responses that the upstream sent uncompressed; never event streams',
    zh: '压缩上游返回的未压缩响应；事件流从不压缩',
  }),
  authKey: {
    ...variable('AUTH_KEY', '', rule.credential, {
      en: 'Key that clients must send; empty: no authentication',
      zh: '客户端必须携带的密钥；留空则不校验',
    }),
    secret: true,
  },
  allowedHosts: variable('ALLOWED_HOSTS', '', rule.words, {
    en: 'Additional host names for /stats and the like when listening on loopback',
    zh: '监听回环地址时，访问 /stats 等端点额外允许的主机名',
  }),
  trustedProxies: variable('TRUSTED_PROXIES', '', rule.networks, {
    en: 'Proxies whose X-Forwarded-For is trusted, for the access log',
    zh: '可信代理的地址，采信其 X-Forwarded-For；仅用于访问日志',
  }),
  tlsCertFile: variable('TLS_CERT_FILE', '', rule.path, {
    en: 'Certificate chain (PEM); together with TLS_KEY_FILE it enables https',
    zh: '证书链（PEM）；与 TLS_KEY_FILE 一起设置即启用 https',
  }),
  tlsKeyFile: variable('TLS_KEY_FILE', '', rule.path, {
    en: 'Private key (PEM) for TLS_CERT_FILE',
    zh: 'TLS_CERT_FILE 对应的私钥（PEM）',
  }),
} as const;

const KEYS = {
  configFile: variable('CONFIG_FILE', 'gpt-load.toml', rule.path, {
    en: 'Optional file with groups and clients; see gpt-load.example.toml',
    zh: '分组与客户端的配置文件，可选；参见 gpt-load.example.toml',
  }),
  keysFile: variable('KEYS_FILE', 'keys.txt', rule.path, {
    en: 'File with API keys, one per line',
    zh: 'API 密钥文件，每行一个',
  }),
  stateFile: variable('STATE_FILE', 'gpt-load.db', rule.path, {
    en: 'Where key states are saved; default: next to KEYS_FILE; empty: memory only',
    zh: '密钥状态的保存位置；默认与 KEYS_FILE 同目录；留空则只保存在内存中',
  }),
  enableUsage: variable('ENABLE_USAGE', 'true', rule.flag, {
    en: 'Count tokens by client, group, model and key for /usage',
    zh: '按客户端、分组、模型和密钥统计 Token 用量，供 /usage 查询',
  }),
  enableTrails: variable('ENABLE_TRAILS', 'true', rule.flag, {
    en: 'Remember the last 10,000 requests and their attempts, for /requests and `gpt-load why`',
    zh: '在内存中保留最近 10,000 个请求及其各次尝试，供 /requests 和 `gpt-load why` 查询',
  }),
  pricesFile: variable('PRICES_FILE', '', rule.path, {
    en: "Model prices for cost_usd, in the format of LiteLLM's model_prices_and_context_window.json",
    zh: '模型价格文件，用于计算 cost_usd；格式同 LiteLLM 的 model_prices_and_context_window.json',
  }),
  alertWebhookUrl: {
    ...variable('ALERT_WEBHOOK_URL', '', rule.webhookUrl, {
      en: 'Webhook for alerts: Slack, Discord, Feishu, ntfy and others, or plain JSON',
      zh: '告警 webhook 地址：Slack、Discord、飞书、钉钉、企业微信、Telegram、ntfy，或纯 JSON',
    }),
    secret: true,
  },
  startIndex: variable('START_INDEX', '0', rule.integer(0, 1_000_000_000), {
    en: 'Index of the key to start the rotation with, from 0',
    zh: '轮询从第几个密钥开始，从 0 计数',
  }),
  blacklistThreshold: variable('BLACKLIST_THRESHOLD', '1', rule.integer(1, 1000), {
    en: 'Consecutive rejections after which a key is blacklisted',
    zh: '密钥连续被拒绝多少次后进入黑名单',
  }),
  keyCooldownMs: variable('KEY_COOLDOWN', '5', rule.seconds(0.1), {
    en: 'First cooldown of a rate-limited key when the upstream names no time; doubles each time',
    zh: '密钥被限流且上游未指明恢复时间时，首次冷却的时长；之后每次加倍',
  }),
  keyCooldownMaxMs: variable('KEY_COOLDOWN_MAX', '600', rule.seconds(0.1), {
    en: 'Upper limit for a doubled cooldown',
    zh: '加倍后冷却时间的上限',
  }),
  retryAfterMaxMs: variable('RETRY_AFTER_MAX', '86400', rule.seconds(1), {
    en: 'Longest cooldown that an upstream may name, except for the end of a daily or monthly quota',
    zh: '上游指明的冷却时间的上限；按日、按月的配额重置时间不受此限',
  }),
  deadKeyProbeMs: variable('DEAD_KEY_PROBE_INTERVAL', '10800', rule.seconds(1), {
    en: 'How often a blacklisted key is probed',
    zh: '每隔多久探测一次黑名单中的密钥',
  }),
  modelAccessMs: variable('MODEL_ACCESS_COOLDOWN', '600', rule.seconds(1), {
    en: 'How long a key without access to a model is skipped for that model',
    zh: '密钥无权访问某模型时，多久内不再用它请求该模型',
  }),
  affinity: variable('AFFINITY', 'off', rule.choice(['off', 'session']), {
    en: 'session: requests of one conversation prefer the same key, for prompt cache hits',
    zh: 'session：同一会话的请求优先使用同一密钥，以命中提示缓存',
  }),
  keyRpm: variable('KEY_RPM', '0', rule.integer(0, 1e9), {
    en: 'Requests per minute for each key without a limit of its own; 0: no limit',
    zh: '每个密钥每分钟的请求数上限（密钥行自带的上限优先）；0：不限',
  }),
  keyTpm: variable('KEY_TPM', '0', rule.integer(0, 1e9), {
    en: 'Tokens per minute for each key, input plus output; 0: no limit',
    zh: '每个密钥每分钟的 Token 数上限（输入加输出）；0：不限',
  }),
  keyRpd: variable('KEY_RPD', '0', rule.integer(0, 2e6), {
    en: 'Requests per UTC day for each key; 0: no limit',
    zh: '每个密钥每天（UTC）的请求数上限；0：不限',
  }),
  keyConcurrency: variable('KEY_CONCURRENCY', '0', rule.integer(0, 1e6), {
    en: 'Concurrent requests for each key; 0: no limit',
    zh: '每个密钥的并发请求数上限；0：不限',
  }),
  queueTimeoutMs: variable('QUEUE_TIMEOUT', '0', rule.seconds(0), {
    en: 'How long a request waits for a free slot or a busy key before 429; 0: does not wait',
    zh: '并发已满或密钥繁忙时，请求最多排队多久，超时返回 429；0：不排队',
  }),
} as const;

const UPSTREAMS = {
  upstreams: variable('OPENAI_BASE_URL', 'https://api.openai.com', rule.baseUrls, {
    en: 'Upstream base URLs, comma-separated, used in turn',
    zh: '上游 Base URL，多个用逗号分隔，轮流使用',
  }),
  maxRetries: variable('MAX_RETRIES', '3', rule.integer(0, 100), {
    en: 'Retries after an upstream failure; 0: no retries at all, not even with another key',
    zh: '上游故障时的最大重试次数；0：完全不重试，也不换密钥',
  }),
  maxKeySwitches: variable('MAX_KEY_SWITCHES', '10', rule.integer(1, 1000), {
    en: 'Retries after a key failed: dead, rate limited or without access; counted separately',
    zh: '因密钥自身原因（失效、限流、无权限）失败时换密钥重试的次数上限，单独计数',
  }),
  maxReplayBodyBytes: variable('MAX_REPLAY_BODY_MB', '32', rule.mebibytes(1024), {
    en: 'Largest request body, in MiB, that is kept for retries',
    zh: '为重试而缓存的请求体大小上限（MiB）',
  }),
  forwardClientAddress: variable('FORWARD_CLIENT_ADDRESS', 'false', rule.flag, {
    en: "Pass on the client's X-Forwarded-For, X-Real-IP, Forwarded and Via",
    zh: '向上游透传客户端的 X-Forwarded-For、X-Real-IP、Forwarded 和 Via',
  }),
  upstreamFailureThreshold: variable('UPSTREAM_FAILURE_THRESHOLD', '5', rule.integer(1, 1000), {
    en: 'Consecutive faults after which an upstream is taken out of rotation',
    zh: '上游连续故障多少次后移出轮询',
  }),
  upstreamCooldownMs: variable('UPSTREAM_COOLDOWN', '5', rule.seconds(0.1), {
    en: 'First cooldown of such an upstream; doubles up to 60',
    zh: '上游被移出后首次冷却的秒数；之后每次加倍，最长 60',
  }),
  upstreamHttp2: variable('UPSTREAM_HTTP2', 'true', rule.flag, {
    en: 'Use HTTP/2 for upstreams that offer it',
    zh: '上游支持时使用 HTTP/2',
  }),
  extraCaFile: variable('EXTRA_CA_FILE', '', rule.path, {
    en: 'CA certificates (PEM) to trust in addition to the public ones',
    zh: '除公共 CA 外，额外信任的 CA 证书（PEM）',
  }),
  httpProxy: variable('http_proxy', '', rule.proxyUrl, {
    en: 'Proxy for http:// upstreams; lower case only, as in curl',
    zh: '访问 http:// 上游的代理；与 curl 一样只认小写',
  }),
  httpsProxy: {
    ...variable('HTTPS_PROXY', '', rule.proxyUrl, {
      en: 'Proxy for https:// upstreams: an http, https, socks4(a) or socks5(h) URL',
      zh: '访问 https:// 上游的代理：http、https、socks4(a) 或 socks5(h) 地址',
    }),
    alias: 'https_proxy',
  },
  allProxy: {
    ...variable('ALL_PROXY', '', rule.proxyUrl, {
      en: 'Proxy for upstreams when neither of the two above applies',
      zh: '以上两项都不适用时使用的代理',
    }),
    alias: 'all_proxy',
  },
  upstreamProxies: variable('UPSTREAM_PROXIES', '', rule.upstreamProxies, {
    en: 'Proxies for individual upstreams: HOST=PROXY_URL or HOST=direct, comma-separated',
    zh: '为单个上游指定代理：HOST=代理地址 或 HOST=direct，多个用逗号分隔',
  }),
  noProxy: {
    ...variable('NO_PROXY', '', rule.words, {
      en: 'Hosts and domains to reach without a proxy; * for all',
      zh: '不走代理的主机和域名；* 表示全部',
    }),
    alias: 'no_proxy',
  },
} as const;

const TIMEOUTS = {
  requestTimeoutMs: variable('REQUEST_TIMEOUT', '30', rule.seconds(0), {
    en: 'One whole attempt, unless the answer is streamed; 0: no limit',
    zh: '非流式响应单次尝试的总超时；0：不限',
  }),
  responseTimeoutMs: variable('RESPONSE_TIMEOUT', '30', rule.seconds(0), {
    en: 'TLS handshake and response headers of a streamed answer; 0: no limit',
    zh: '流式响应的 TLS 握手与响应头超时；0：不限',
  }),
  connectTimeoutMs: variable('CONNECT_TIMEOUT', '10', rule.seconds(0.1), {
    en: 'Connecting to an upstream',
    zh: '连接上游的超时',
  }),
  firstEventTimeoutMs: variable('FIRST_EVENT_TIMEOUT', '0', rule.seconds(0), {
    en: 'First event of a stream, before another key is tried; 0: no limit',
    zh: '等待流中首个事件的超时，超时后换密钥重试；0：不限',
  }),
  streamIdleTimeoutMs: variable('STREAM_IDLE_TIMEOUT', '300', rule.seconds(0), {
    en: 'Longest silence within a streamed answer; 0: no limit',
    zh: '流式响应中最长的无数据时间；0：不限',
  }),
  idleConnTimeoutMs: variable('IDLE_CONN_TIMEOUT', '120', rule.seconds(0), {
    en: 'How long an idle upstream connection is kept',
    zh: '空闲的上游连接保留多久',
  }),
  serverReadTimeoutMs: variable('SERVER_READ_TIMEOUT', '120', rule.seconds(0), {
    en: 'Reading one request from a client; 0: no limit',
    zh: '读取单个客户端请求的超时；0：不限',
  }),
  serverWriteTimeoutMs: variable('SERVER_WRITE_TIMEOUT', '1800', rule.seconds(0), {
    en: 'Longest time a client may stop reading its answer; 0: no limit',
    zh: '客户端停止接收响应的最长时间；0：不限',
  }),
  serverIdleTimeoutMs: variable('SERVER_IDLE_TIMEOUT', '120', rule.seconds(0), {
    en: 'How long an idle client connection is kept',
    zh: '空闲的客户端连接保留多久',
  }),
  gracefulShutdownTimeoutMs: variable('SERVER_GRACEFUL_SHUTDOWN_TIMEOUT', '60', rule.seconds(0), {
    en: 'Time for running requests and streams to finish at shutdown',
    zh: '关闭时等待进行中的请求和流结束的时间',
  }),
} as const;

const CORS = {
  enableCors: variable('ENABLE_CORS', 'true', rule.flag, {
    en: 'Allow web pages from other origins',
    zh: '允许跨域访问',
  }),
  allowedOrigins: variable('ALLOWED_ORIGINS', '*', rule.origins, {
    en: 'Allowed origins, comma-separated, or *',
    zh: '允许的来源，多个用逗号分隔，或 *',
  }),
  allowedMethods: variable('ALLOWED_METHODS', 'GET,POST,PUT,DELETE,OPTIONS', rule.tokens, {
    en: 'Allowed methods',
    zh: '允许的方法',
  }),
  allowedHeaders: variable('ALLOWED_HEADERS', '*', rule.tokens, {
    en: 'Allowed request headers, or *',
    zh: '允许的请求头，或 *',
  }),
  allowCredentials: variable('ALLOW_CREDENTIALS', 'false', rule.flag, {
    en: 'Allow cookies and HTTP authentication; not possible with ALLOWED_ORIGINS=*',
    zh: '允许携带 Cookie 和 HTTP 认证信息；ALLOWED_ORIGINS 为 * 时不可启用',
  }),
} as const;

const LOGS = {
  logLevel: variable('LOG_LEVEL', 'info', rule.choice(['debug', 'info', 'warn', 'error']), {
    en: 'debug, info, warn or error',
    zh: 'debug、info、warn 或 error',
  }),
  logFormat: variable('LOG_FORMAT', 'text', rule.choice(['text', 'json']), {
    en: 'text for people, json for machines',
    zh: 'text 便于阅读，json 便于程序处理',
  }),
  logEnableRequest: variable('LOG_ENABLE_REQUEST', 'true', rule.flag, {
    en: 'One line per request; false: only failed ones (4xx, 5xx, cut short)',
    zh: '每个请求记录一行；false：只记录失败的请求（4xx、5xx、中途断开）',
  }),
  logEnableFile: variable('LOG_ENABLE_FILE', 'false', rule.flag, {
    en: 'Also log to LOG_FILE_PATH',
    zh: '同时写入 LOG_FILE_PATH',
  }),
  logFilePath: variable('LOG_FILE_PATH', 'logs/app.log', rule.path, {
    en: 'Log file; reopened on SIGHUP. If it fails or hangs, only log lines are lost',
    zh: '日志文件；收到 SIGHUP 时重新打开；写不进去或无响应时只丢失日志行',
  }),
} as const;

const FLEET = {
  fleetUrl: {
    ...variable('FLEET_URL', '', rule.serverUrl, {
      en: 'Redis or Valkey through which instances share key states: a redis:// or rediss:// URL',
      zh: '多个实例共享密钥状态所用的 Redis 或 Valkey：redis:// 或 rediss:// 地址',
    }),
    secret: true,
  },
  fleetCaFile: variable('FLEET_CA_FILE', '', rule.path, {
    en: 'CA certificates (PEM) for a rediss:// server, instead of the public ones',
    zh: 'rediss:// 服务器的 CA 证书（PEM），替代公共 CA',
  }),
  fleetName: variable('FLEET_NAME', 'gpt-load', rule.fleetName, {
    en: 'Prefix of all key names on that server; one per fleet',
    zh: '该服务器上所有键名的前缀；每个集群用一个',
  }),
  fleetSecret: {
    ...variable('FLEET_SECRET', '', rule.credential, {
      en: 'Secret shared by all instances of a fleet; empty: AUTH_KEY',
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
  section({ en: 'CORS', zh: '跨域（CORS）' }, CORS),
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
