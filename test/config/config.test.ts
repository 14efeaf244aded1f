// What parseConfig makes of environment variables: the promised defaults, strict values, and every
// problem in one go, with nothing secret in what is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Env, effectiveConfig, parseConfig } from '../../src/config/config.ts';
import { SECTIONS, VARIABLES } from '../../src/config/variables.ts';
import { ConfigError } from '../../src/errors.ts';

/** The problems that parseConfig finds; none: it must not throw. */
function problemsOf(env: Env): readonly string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
}

function assertRefused(name: string, values: readonly string[]): void {
  for (const value of values) {
    const problems = problemsOf({ [name]: value });
    assert.equal(problems.length, 1, `${name}=${value} must be refused`);
    assert.match(problems[0] ?? '', new RegExp(`^${name}: must be .*, got "`));
  }
}

const PROMISED = {
  PORT: 3000,
  HOST: '0.0.0.0',
  UNIX_SOCKET_MODE: '0660',
  KEYS_FILE: 'keys.txt',
  CONFIG_FILE: 'gpt-load.toml',
  START_INDEX: 0,
  BLACKLIST_THRESHOLD: 1,
  MAX_RETRIES: 3,
  MAX_KEY_SWITCHES: 10,
  OPENAI_BASE_URL: ['https://api.openai.com'],
  MAX_CONCURRENT_REQUESTS: 100,
  ENABLE_GZIP: true,
  AUTH_KEY: '',
  ENABLE_CORS: true,
  ALLOWED_ORIGINS: ['*'],
  ALLOWED_METHODS: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
  ALLOWED_HEADERS: ['*'],
  ALLOW_CREDENTIALS: false,
  LOG_LEVEL: 'info',
  LOG_FORMAT: 'text',
  LOG_ENABLE_FILE: false,
  LOG_FILE_PATH: 'logs/app.log',
  FLEET_URL: '',
  FLEET_CA_FILE: '',
  FLEET_NAME: 'gpt-load',
  FLEET_SECRET: '',
  LOG_ENABLE_REQUEST: true,
  SERVER_READ_TIMEOUT: 120,
  SERVER_WRITE_TIMEOUT: 1800,
  SERVER_IDLE_TIMEOUT: 120,
  SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: 60,
  REQUEST_TIMEOUT: 30,
  RESPONSE_TIMEOUT: 30,
  IDLE_CONN_TIMEOUT: 120,
  STREAM_IDLE_TIMEOUT: 300,
  FIRST_EVENT_TIMEOUT: 0,
  CONNECT_TIMEOUT: 10,
  WORKERS: 'auto',
  MAX_REPLAY_BODY_MB: 32,
  STATE_FILE: 'gpt-load.db',
  UPSTREAM_FAILURE_THRESHOLD: 5,
  UPSTREAM_COOLDOWN: 5,
  KEY_COOLDOWN: 5,
  KEY_COOLDOWN_MAX: 600,
  RETRY_AFTER_MAX: 86_400,
  DEAD_KEY_PROBE_INTERVAL: 10_800,
  MODEL_ACCESS_COOLDOWN: 600,
  ENABLE_TRAILS: true,
  ENABLE_USAGE: true,
  ALERT_WEBHOOK_URL: '',
  PRICES_FILE: '',
  AFFINITY: 'off',
  KEY_RPM: 0,
  KEY_TPM: 0,
  KEY_RPD: 0,
  KEY_CONCURRENCY: 0,
  QUEUE_TIMEOUT: 0,
  FORWARD_CLIENT_ADDRESS: false,
  UPSTREAM_HTTP2: true,
  EXTRA_CA_FILE: '',
  TLS_CERT_FILE: '',
  TLS_KEY_FILE: '',
  TRUSTED_PROXIES: [],
  ALLOWED_HOSTS: [],
  http_proxy: '',
  HTTPS_PROXY: '',
  ALL_PROXY: '',
  NO_PROXY: [],
  UPSTREAM_PROXIES: [],
};

test('config defaults are the names and numbers that scripts rely on', () => {
  assert.deepEqual({ ...effectiveConfig(parseConfig({})) }, PROMISED);
});

test('config units end in milliseconds and bytes', () => {
  const config = parseConfig({ REQUEST_TIMEOUT: '1.5', MAX_REPLAY_BODY_MB: '0.5', WORKERS: '4' });
  assert.equal(config.requestTimeoutMs, 1500);
  assert.equal(config.maxReplayBodyBytes, 512 * 1024);
  assert.equal(config.workers, 4);
  assert.equal(parseConfig({ WORKERS: 'AUTO' }).workers, 0);
});

test('config is frozen all the way down and can be handed to a worker', () => {
  const config = parseConfig({ NO_PROXY: 'a,b' });
  assert.ok(Object.isFrozen(config));
  assert.ok(Object.isFrozen(config.upstreams));
  assert.ok(Object.isFrozen(config.proxies.no));
  assert.deepEqual(structuredClone(config), config);
});

test('config lists every problem at once: variable, rule and the value received', () => {
  assert.deepEqual(problemsOf({ PORT: '70000', ENABLE_GZIP: 'ja', LOG_LEVEL: 'loud' }), [
    'PORT: must be an integer from 0 to 65535, got "70000"',
    'ENABLE_GZIP: must be true or false (also 1/0, yes/no, on/off), got "ja"',
    'LOG_LEVEL: must be one of debug, info, warn, error, got "loud"',
  ]);
});

test('config takes an empty or blank value for the default, as compose files write it', () => {
  const blank = Object.fromEntries(Object.values(VARIABLES).map(({ name }) => [name, ' ']));
  assert.deepEqual(parseConfig({ ...blank, STATE_FILE: undefined }), parseConfig({}));
});

test('STATE_FILE is beside the key file when unset, and off when empty', () => {
  assert.equal(parseConfig({ KEYS_FILE: '/etc/keys/a.txt' }).stateFile, '/etc/keys/gpt-load.db');
  assert.equal(parseConfig({ STATE_FILE: '' }).stateFile, '');
  assert.equal(
    parseConfig({ STATE_FILE: '/var/x.db', KEYS_FILE: '/etc/k' }).stateFile,
    '/var/x.db',
  );
});

test('config numbers are whole decimals within their range', () => {
  assertRefused('PORT', ['-1', '1.5', '0x50', '1e3', '80 80', '65536', '99999999999999999999']);
  assertRefused('BLACKLIST_THRESHOLD', ['0']);
  assertRefused('REQUEST_TIMEOUT', ['-1', '30s', '1e3', 'Infinity', '3000000', '.5']);
  assertRefused('KEY_COOLDOWN', ['0']);
  assertRefused('WORKERS', ['0', '257', 'all']);
});

test('config booleans take the words of shells and compose files, in any case', () => {
  for (const word of ['true', 'TRUE', '1', 'yes', 'On']) {
    assert.equal(parseConfig({ ENABLE_GZIP: word }).enableGzip, true, word);
  }
  for (const word of ['false', '0', 'NO', 'off']) {
    assert.equal(parseConfig({ ENABLE_GZIP: word }).enableGzip, false, word);
  }
  assertRefused('ENABLE_GZIP', ['2', 'y', 'truely']);
});

test('OPENAI_BASE_URL is a list: trimmed, without trailing slashes, each upstream once', () => {
  const { upstreams } = parseConfig({
    OPENAI_BASE_URL: ' https://a.example/v1/ ,, HTTP://b.example:8080 ,https://a.example/v1',
  });
  assert.deepEqual(upstreams, ['https://a.example/v1', 'http://b.example:8080']);
  assertRefused('OPENAI_BASE_URL', [
    'api.openai.com',
    'ftp://a.example',
    'https://',
    'https://a.example?x=1',
    'https://a.example/#x',
    'https://user:secret@a.example',
    'https://a.example,nonsense',
    ',',
  ]);
});

test('HOST is a name, an address or a unix socket, and has no port', () => {
  const hosts = ['127.0.0.1', '::', 'localhost', 'unix:/run/gpt load.sock'];
  for (const host of hosts) assert.equal(parseConfig({ HOST: host }).host, host);
  assert.equal(parseConfig({ HOST: '[::1]' }).host, '::1');
  assertRefused('HOST', ['a b', 'localhost:80', 'http://x', '300.1.1.1', '1.2.3.4.5', '::1::']);
});

test('CORS lists are origins and tokens, and credentials never go with every origin', () => {
  const origins = 'https://a.example, http://localhost:5173';
  assert.deepEqual(parseConfig({ ALLOWED_ORIGINS: origins }).allowedOrigins, [
    'https://a.example',
    'http://localhost:5173',
  ]);
  assertRefused('ALLOWED_ORIGINS', ['a.example', 'https://a.example/path', 'null']);
  assertRefused('ALLOWED_HEADERS', ['X-A, b c', 'x:y']);
  assert.deepEqual(problemsOf({ ALLOW_CREDENTIALS: 'true' }), [
    'ALLOW_CREDENTIALS: must be false while ALLOWED_ORIGINS is *, got "true"',
  ]);
  assert.deepEqual(problemsOf({ ALLOW_CREDENTIALS: 'true', ALLOWED_ORIGINS: origins }), []);
});

test('settings that only make sense together are refused apart', () => {
  assert.deepEqual(problemsOf({ TLS_CERT_FILE: 'a.pem' }), [
    'TLS_KEY_FILE: must be set together with TLS_CERT_FILE, got ""',
  ]);
  assert.deepEqual(problemsOf({ KEY_COOLDOWN: '10', KEY_COOLDOWN_MAX: '5' }), [
    'KEY_COOLDOWN_MAX: must not be less than KEY_COOLDOWN, got "5"',
  ]);
});

test('outgoing proxies are read as curl reads them', () => {
  const env = {
    HTTP_PROXY: 'http://ignored',
    http_proxy: 'proxy:3128',
    HTTPS_PROXY: 'http://upper',
    https_proxy: 'socks5h://lower:1080',
    no_proxy: 'localhost, .internal',
  };
  assert.deepEqual(parseConfig(env).proxies, {
    http: 'http://proxy:3128',
    https: 'socks5h://lower:1080',
    all: '',
    no: ['localhost', '.internal'],
    upstreams: [],
  });
  assertRefused('ALL_PROXY', ['ftp://x', 'http://']);
});

test('TRUSTED_PROXIES are addresses and CIDR blocks', () => {
  const given = '10.0.0.0/8, ::1,fd00::/8,192.0.2.1';
  assert.deepEqual(parseConfig({ TRUSTED_PROXIES: given }).trustedProxies, [
    '10.0.0.0/8',
    '::1',
    'fd00::/8',
    '192.0.2.1',
  ]);
  assertRefused('TRUSTED_PROXIES', ['10.0.0.0/33', '300.0.0.1', 'proxy.example', '::1/129', '1.2']);
});

test('no problem and no effective value shows a secret', () => {
  const secret = 'sk-secret-0123456789abcdef';
  const env = {
    AUTH_KEY: `${secret} x`,
    OPENAI_BASE_URL: `https://${secret}@a.example/`,
    HTTPS_PROXY: `gopher://user:${secret}@proxy`,
    PORT: secret,
  };
  assert.equal(problemsOf(env).length, 4);
  assert.ok(!problemsOf(env).join().includes('secret-0'));
  const config = parseConfig({ AUTH_KEY: secret, HTTPS_PROXY: `http://u:${secret}@proxy:1` });
  const shown = effectiveConfig(config);
  assert.equal(shown.AUTH_KEY, '****');
  assert.ok(!JSON.stringify(shown).includes('secret-0'));
});

test('a refused value is shown on one line, bounded, without control characters', () => {
  const [problem = ''] = problemsOf({ PORT: `x\n\x1b[31m${'y'.repeat(1000)}` });
  assert.ok(problem.length < 200);
  assert.doesNotMatch(problem, /\p{Cc}/u);
});

test('every variable is in one group and says what it is for', () => {
  const fields = SECTIONS.flatMap((group) => group.fields);
  assert.deepEqual([...fields].sort(), Object.keys(VARIABLES).sort());
  for (const field of fields) assert.match(VARIABLES[field].meaning.en, /^.{10,90}[^.]$/);
});

test('STATE_FILE may not be the key file', () => {
  const env = { KEYS_FILE: 'keys.txt', STATE_FILE: './keys.txt' };
  assert.throws(() => parseConfig(env), /STATE_FILE: must not be the key file/);
});
