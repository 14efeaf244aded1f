// Writes what people read about environment variables, from the table that parses them:
// .env.example, and the tables of README.md and README_CN.md between their marks.
// `--check` writes nothing and fails when something differs.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ABOUT } from '../src/config/config-about.ts';
import { GROUPS, type Settings, VARIABLES } from '../src/config/config-table.ts';

const ROOT = join(import.meta.dirname, '..');

const BEGIN = '<!-- variables: written by make env-docs -->';
const END = '<!-- /variables -->';

/** The words of one language's table. */
interface Language {
  readonly file: string;
  readonly head: readonly [string, string, string];
  readonly about: Readonly<Record<keyof Settings, string>>;
  readonly groups: Readonly<Record<string, string>>;
  readonly none: string;
}

const CHINESE_ABOUT: Language['about'] = {
  port: '监听端口；0 表示自动选择空闲端口',
  host: '监听地址，或 unix:/路径 形式的套接字',
  workers: '处理请求的线程数；auto：Linux 上每核一个，其他系统一个',
  maxConcurrentRequests: '同时处理的请求数上限；超出的请求返回 429',
  enableGzip: '压缩上游以明文返回的响应；事件流从不压缩',
  authKey: '客户端必须出示的密钥；留空则不校验',
  trustedProxies: '信任其 X-Forwarded-For 的代理地址，仅用于访问日志',
  tlsCertFile: '证书链（PEM）；与 TLS_KEY_FILE 一起设置后提供 https 服务',
  tlsKeyFile: 'TLS_CERT_FILE 的私钥（PEM）',
  keysFile: 'API 密钥文件，每行一个',
  stateFile: '保存已了解的密钥状态；默认在 KEYS_FILE 旁；留空：只存内存',
  startIndex: '轮询从第几个密钥开始，从 0 计数',
  blacklistThreshold: '密钥连续被拒绝多少次后列入黑名单',
  keyCooldownMs: '上游未指明时间时，受限密钥首次休息的秒数，之后逐次加倍',
  keyCooldownMaxMs: '加倍后的最长休息时间',
  deadKeyProbeMs: '多久重新试探一次黑名单中的密钥',
  modelAccessMs: '密钥无权使用某模型时，多久不再用它请求该模型',
  upstreams: '上游基础地址，逗号分隔，轮流使用',
  maxRetries: '失败后最多再尝试的次数',
  maxReplayBodyBytes: '为重试而保留的请求体上限（MiB）',
  upstreamFailureThreshold: '上游连续故障多少次后暂时移出轮询',
  upstreamCooldownMs: '移出后首次休息的秒数，逐次加倍，最长 60',
  upstreamHttp2: '上游支持时使用 HTTP/2',
  extraCaFile: '除公共证书外另行信任的 CA 证书（PEM）',
  httpProxy: '访问 http:// 上游的代理；与 curl 一样只认小写',
  httpsProxy: '访问 https:// 上游的代理：http、https、socks4(a) 或 socks5(h) 地址',
  allProxy: '以上两项都未设置时使用的代理',
  upstreamProxies: '单个上游的代理：HOST=代理地址 或 HOST=direct，逗号分隔',
  noProxy: '不经代理直接访问的主机和域名；* 表示全部',
  requestTimeoutMs: '非流式响应一次尝试的总时限；0：不限',
  responseTimeoutMs: '流式响应的 TLS 握手与响应头时限；0：不限',
  connectTimeoutMs: '连接上游的时限',
  firstEventTimeoutMs: '等待流的第一个事件的时限，超时换密钥重试；0：不限',
  streamIdleTimeoutMs: '流式响应中允许的静默时间；0：不限',
  idleConnTimeoutMs: '空闲的上游连接保留多久',
  serverReadTimeoutMs: '读取客户端一个请求的时限；0：不限',
  serverWriteTimeoutMs: '客户端不接收响应数据的时限；0：不限',
  serverIdleTimeoutMs: '空闲的客户端连接保留多久',
  gracefulShutdownTimeoutMs: '关闭时留给进行中的请求和流的时间',
  enableCors: '允许其他来源的浏览器页面访问',
  allowedOrigins: '允许的来源，逗号分隔，或 *',
  allowedMethods: '允许的方法',
  allowedHeaders: '允许的请求头，或 *',
  allowCredentials: '允许携带 Cookie 和 HTTP 认证；来源为 * 时不可用',
  logLevel: 'debug、info、warn 或 error',
  logFormat: 'text 便于阅读，json 便于机器处理',
  logEnableRequest: '每个请求记录一行；false：只记录失败的请求',
  logEnableFile: '同时写入 LOG_FILE_PATH',
  logFilePath: '日志文件；收到 SIGHUP 时重新打开',
};

const ENGLISH: Language = {
  file: 'README.md',
  head: ['Variable', 'Default', 'Meaning'],
  about: ABOUT,
  groups: {},
  none: 'none',
};

const CHINESE: Language = {
  file: 'README_CN.md',
  head: ['变量', '默认值', '含义'],
  about: CHINESE_ABOUT,
  groups: {
    Server: '服务',
    'Keys (times in seconds)': '密钥（时间单位：秒）',
    'Upstreams and retries': '上游与重试',
    'Timeouts, in seconds': '超时（秒）',
    CORS: '跨域',
    Logs: '日志',
  },
  none: '无',
};

/** The whole of .env.example: every variable, commented out, with its default. */
export function envExample(): string {
  const lines = [
    '# Every variable with its default. Copy to .env, remove the # of what you change.',
    '# Variables of the real environment win over this file.',
  ];
  for (const { title, fields } of GROUPS) {
    lines.push('', `# ${title}`);
    for (const field of fields) {
      const { name, default: standard } = VARIABLES[field];
      lines.push('', `# ${ABOUT[field]}`, `#${name}=${standard}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The table of one README, without its marks. */
function table({ head, about, groups, none }: Language): string {
  return GROUPS.map(({ title, fields }) => {
    const rows = fields.map((field) => {
      const { name, default: standard } = VARIABLES[field];
      return `| \`${name}\` | ${standard === '' ? none : `\`${standard}\``} | ${about[field]} |`;
    });
    const lines = [`| ${head.join(' | ')} |`, '|---|---|---|', ...rows];
    return `**${groups[title] ?? title}**\n\n${lines.join('\n')}\n`;
  }).join('\n');
}

/** `text` with the table between its marks up to date; unchanged when it has no marks. */
function withTable(text: string, language: Language): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END, begin);
  if (begin === -1 || end === -1) return text;
  return `${text.slice(0, begin + BEGIN.length)}\n\n${table(language)}\n${text.slice(end)}`;
}

/** What each generated file must hold; READMEs that do not exist yet are left out. */
export function envDocs(): { readonly file: string; readonly text: string }[] {
  const readmes = [ENGLISH, CHINESE].flatMap((language) => {
    const now = readIfThere(language.file);
    return now === undefined ? [] : [{ file: language.file, text: withTable(now, language) }];
  });
  return [{ file: '.env.example', text: envExample() }, ...readmes];
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(join(ROOT, file), 'utf8');
  } catch {
    return undefined;
  }
}

function main(): void {
  const check = process.argv.includes('--check');
  for (const { file, text } of envDocs()) {
    if (readIfThere(file) === text) continue;
    if (check) {
      console.error(`${file} differs from the table of variables; run \`make env-docs\``);
      process.exitCode = 1;
    } else {
      writeFileSync(join(ROOT, file), text);
      console.log(`wrote ${file}`);
    }
  }
}

if (import.meta.main) main();
