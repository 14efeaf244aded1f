// Alerts in the words of each service, recognised by the host of its webhook.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Alert, saidNo, webhookRequest } from '../../src/policy/alert-message.ts';

const alert: Alert = {
  event: 'upstream_gone',
  group: 'openai',
  summary: 'group openai: upstream https://api.openai.com does not answer',
  details: ['one', 'two'],
  at: '2026-01-01T00:00:00.000Z',
};

function bodyFor(url: string): Record<string, unknown> {
  const request = webhookRequest(alert, url);
  assert.match(request.contentType, /^application\/json/);
  return JSON.parse(request.body);
}

test('each service gets its own shape, and everybody else the plain one', () => {
  const text = /^⚠️ gpt-load: group openai: upstream .* does not answer\none\ntwo\n2026-01-01T/;
  assert.match(String(bodyFor('https://hooks.slack.com/services/T/B/x').text), text);
  const discord = bodyFor('https://discord.com/api/webhooks/1/x');
  assert.match(String(discord.content), text);
  assert.deepEqual(discord.allowed_mentions, { parse: [] });
  const feishu = bodyFor('https://open.feishu.cn/open-apis/bot/v2/hook/x');
  assert.equal(feishu.msg_type, 'text');
  assert.match((feishu.content as { text: string }).text, text);
  for (const url of [
    'https://oapi.dingtalk.com/robot/send?access_token=x',
    'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x',
  ]) {
    const message = bodyFor(url);
    assert.equal(message.msgtype, 'text');
    assert.match((message.text as { content: string }).content, text);
  }
  const telegram = bodyFor('https://api.telegram.org/bot1:x/sendMessage?chat_id=-42');
  assert.equal(telegram.chat_id, '-42');
  assert.match(String(telegram.text), text);
  const ntfy = webhookRequest(alert, 'https://ntfy.sh/mytopic');
  assert.match(ntfy.body, text);
  assert.deepEqual(ntfy.fields.slice(0, 2), ['Title', 'gpt-load: upstream_gone']);
  assert.deepEqual(bodyFor('https://example.org/hook'), { ...alert });
  // A host that only ends like one of them is somebody else's.
  assert.deepEqual(bodyFor('https://evil-discord.com/x'), { ...alert });
});

test('a long message is cut, not refused', () => {
  const long = { ...alert, details: Array.from({ length: 500 }, (_, i) => `line ${i}`) };
  const { content } = JSON.parse(webhookRequest(long, 'https://discord.com/x').body);
  assert.ok(content.length <= 2_000);
});

test('a code in a 200 is a refusal only where the service does so', () => {
  assert.equal(saidNo('oapi.dingtalk.com', '{"errcode":310000,"errmsg":"x"}'), 'code 310000');
  assert.equal(saidNo('open.feishu.cn', '{"code":19001,"msg":"x"}'), 'code 19001');
  assert.equal(saidNo('qyapi.weixin.qq.com', '{"errcode":0,"errmsg":"ok"}'), undefined);
  assert.equal(saidNo('example.org', '{"code":200,"msg":"ok"}'), undefined);
});
