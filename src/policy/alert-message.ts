// An alert in the words of the service that it goes to, recognised by the host of its webhook:
// Slack, Discord, Feishu and Lark, DingTalk, WeCom, Telegram, ntfy; plain JSON for everybody else.
// The shapes are those of the services' own pages on incoming webhooks.

/** What happened. Keys are in it as previews only. */
export interface Alert {
  readonly event: AlertEvent;
  readonly group: string;
  /** One line. */
  readonly summary: string;
  /** More lines, for those who look closer. */
  readonly details: readonly string[];
  /** ISO 8601. */
  readonly at: string;
}

export type AlertEvent =
  | 'no_usable_key'
  | 'usable_key_back'
  | 'keys_blacklisted'
  | 'keys_restored'
  | 'upstream_gone'
  | 'upstream_back'
  | 'test';

/** Events that tell of an end of trouble. */
const GOOD: ReadonlySet<AlertEvent> = new Set([
  'usable_key_back',
  'keys_restored',
  'upstream_back',
  'test',
]);

/** A request to a webhook. */
export interface WebhookRequest {
  readonly url: string;
  readonly contentType: string;
  /** Further fields, flat. */
  readonly fields: readonly string[];
  readonly body: string;
}

/** Discord refuses longer ones; the others take more. */
const MAX_TEXT_CHARS = 1_900;

type Shape = (alert: Alert, url: URL) => WebhookRequest;

const SHAPES: readonly (readonly [RegExp, Shape])[] = [
  [/(^|\.)hooks\.slack(-gov)?\.com$/, (alert, url) => json(url, { text: textOf(alert) })],
  [/(^|\.)(discord|discordapp)\.com$/, discord],
  [/(^|\.)open\.(feishu\.cn|larksuite\.com)$/, feishu],
  [/(^|\.)oapi\.dingtalk\.com$/, textMessage],
  [/(^|\.)qyapi\.weixin\.qq\.com$/, textMessage],
  [/(^|\.)api\.telegram\.org$/, telegram],
  [/(^|\.)ntfy\.sh$|^ntfy\./, ntfy],
];

const NAMES_CODES =
  /(^|\.)(open\.(feishu\.cn|larksuite\.com)|oapi\.dingtalk\.com|qyapi\.weixin\.qq\.com)$/;

/** How an alert is sent to a webhook. @param webhook ALERT_WEBHOOK_URL */
export function webhookRequest(alert: Alert, webhook: string): WebhookRequest {
  const url = new URL(webhook);
  const shape = SHAPES.find(([host]) => host.test(url.hostname))?.[1];
  if (shape !== undefined) return shape(alert, url);
  const { event, group, summary, details, at } = alert;
  return json(url, { event, group, summary, details, at });
}

/** Feishu, DingTalk and WeCom refuse with 200 and a code; undefined: nothing of the kind. */
export function saidNo(host: string, text: string): string | undefined {
  if (!NAMES_CODES.test(host)) return undefined;
  const found = /"(?:errcode|code|StatusCode)"\s*:\s*(-?\d{1,10})/.exec(text);
  return found === null || found[1] === '0' ? undefined : `code ${found[1]}`;
}

/** https://discord.com/developers/docs/resources/webhook#execute-webhook */
function discord(alert: Alert, url: URL): WebhookRequest {
  // Nobody is to be mentioned by what a group is called.
  return json(url, { content: textOf(alert), allowed_mentions: { parse: [] } });
}

/** https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot */
function feishu(alert: Alert, url: URL): WebhookRequest {
  return json(url, { msg_type: 'text', content: { text: textOf(alert) } });
}

/**
 * https://open.dingtalk.com/document/orgapp/custom-robot-access and
 * https://developer.work.weixin.qq.com/document/path/91770
 */
function textMessage(alert: Alert, url: URL): WebhookRequest {
  return json(url, { msgtype: 'text', text: { content: textOf(alert) } });
}

/** https://core.telegram.org/bots/api#sendmessage; the chat stands in the webhook's query. */
function telegram(alert: Alert, url: URL): WebhookRequest {
  const chat = url.searchParams.get('chat_id');
  const text = { text: textOf(alert), disable_web_page_preview: true };
  return json(url, chat === null ? text : { chat_id: chat, ...text });
}

/** https://docs.ntfy.sh/publish/ */
function ntfy(alert: Alert, url: URL): WebhookRequest {
  const isGood = GOOD.has(alert.event);
  const fields = [
    'Title',
    `gpt-load: ${alert.event}`,
    'Tags',
    isGood ? 'white_check_mark' : 'warning',
  ];
  if (!isGood) fields.push('Priority', 'high');
  return { url: url.href, contentType: 'text/plain; charset=utf-8', fields, body: textOf(alert) };
}

function json(url: URL, value: unknown): WebhookRequest {
  const body = JSON.stringify(value);
  return { url: url.href, contentType: 'application/json; charset=utf-8', fields: [], body };
}

function textOf({ event, summary, details, at }: Alert): string {
  const mark = GOOD.has(event) ? '✅' : '⚠️';
  const text = [`${mark} gpt-load: ${summary}`, ...details, at].join('\n');
  return text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS)}...` : text;
}
