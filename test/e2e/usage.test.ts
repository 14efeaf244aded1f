// What was used, as clients and operators meet it: every SDK's own count of tokens is ours, over
// many mixed requests; nothing passes for 0 that nobody named; books survive kill -9; a client's
// day ends.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import zlib from 'node:zlib';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['a', 'b', 'c'].map((name) => `sk-test-good-${name}-0123456789abcdef`);

interface Row {
  readonly start: string;
  readonly client: string;
  readonly model: string;
  readonly key: string;
  readonly requests: number;
  readonly failed: number;
  readonly unknown: number;
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly cache_write_tokens: number;
  readonly output_tokens: number;
  readonly reasoning_tokens: number;
  readonly cost_usd?: number;
}

async function usage(proxy: GptLoad, query = ''): Promise<Row[]> {
  const { status, body } = await proxy.ask(`/usage?${query}`);
  assert.equal(status, 200, body);
  return (JSON.parse(body) as { rows: Row[] }).rows;
}

function total(rows: readonly Row[], name: keyof Row): number {
  return rows.reduce((sum, row) => sum + Number(row[name] ?? 0), 0);
}

/** What the SDKs have counted. */
class Counted {
  requests = 0;
  input = 0;
  cached = 0;
  written = 0;
  output = 0;
  reasoning = 0;

  openai(used: OpenAI.CompletionUsage | null | undefined): void {
    assert.ok(used != null);
    this.requests += 1;
    this.input += used.prompt_tokens;
    this.output += used.completion_tokens;
    this.cached += used.prompt_tokens_details?.cached_tokens ?? 0;
    this.reasoning += used.completion_tokens_details?.reasoning_tokens ?? 0;
  }

  responses(used: OpenAI.Responses.ResponseUsage | undefined): void {
    assert.ok(used !== undefined);
    this.requests += 1;
    this.input += used.input_tokens;
    this.output += used.output_tokens;
    this.cached += used.input_tokens_details.cached_tokens;
    this.reasoning += used.output_tokens_details.reasoning_tokens;
  }

  anthropic(used: Anthropic.Usage): void {
    const [read, written] = [used.cache_read_input_tokens, used.cache_creation_input_tokens];
    this.requests += 1;
    this.input += used.input_tokens + (read ?? 0) + (written ?? 0);
    this.cached += read ?? 0;
    this.written += written ?? 0;
    this.output += used.output_tokens;
  }

  gemini(
    used: Awaited<ReturnType<GoogleGenAI['models']['generateContent']>>['usageMetadata'],
  ): void {
    assert.ok(used !== undefined);
    this.requests += 1;
    this.input += used.promptTokenCount ?? 0;
    this.cached += used.cachedContentTokenCount ?? 0;
    this.output += (used.candidatesTokenCount ?? 0) + (used.thoughtsTokenCount ?? 0);
    this.reasoning += used.thoughtsTokenCount ?? 0;
  }
}

async function mixed(proxy: GptLoad, rounds: number): Promise<Counted> {
  const counted = new Counted();
  const options = { apiKey: 'any', maxRetries: 0 };
  const openai = new OpenAI({ baseURL: `${proxy.url}/v1`, ...options });
  const anthropic = new Anthropic({ baseURL: proxy.url, ...options });
  const gemini = new GoogleGenAI({ apiKey: 'any', httpOptions: { baseUrl: proxy.url } });
  for (let i = 0; i < rounds; i += 1) {
    const text = `Round ${i} ${'word '.repeat(i % 23)}`;
    const messages = [{ role: 'user' as const, content: text }];
    const asked = { model: 'gpt-4o', messages };
    counted.openai((await openai.chat.completions.create(asked)).usage);
    const streamed = { ...asked, stream: true as const, stream_options: { include_usage: true } };
    for await (const chunk of await openai.chat.completions.create(streamed)) {
      if (chunk.usage != null) counted.openai(chunk.usage);
    }
    counted.responses((await openai.responses.create({ model: 'gpt-4o', input: text })).usage);
    const events = await openai.responses.create({ model: 'gpt-4o', input: text, stream: true });
    for await (const event of events) {
      if (event.type === 'response.completed') counted.responses(event.response.usage);
    }
    const claude = { model: 'claude-sonnet-4', max_tokens: 100, messages };
    counted.anthropic((await anthropic.messages.create(claude)).usage);
    counted.anthropic((await anthropic.messages.stream(claude).finalMessage()).usage);
    const flash = { model: 'gemini-2.5-flash', contents: text };
    counted.gemini((await gemini.models.generateContent(flash)).usageMetadata);
    let last: Parameters<Counted['gemini']>[0];
    for await (const chunk of await gemini.models.generateContentStream(flash)) {
      last = chunk.usageMetadata ?? last;
    }
    counted.gemini(last);
    const embedded = await openai.embeddings.create({ model: 'embed', input: [text, 'more'] });
    counted.requests += 1;
    counted.input += embedded.usage.prompt_tokens;
  }
  return counted;
}

test("every SDK's own count of tokens is ours, over 207 mixed requests", async () => {
  await using upstream = await startScriptedUpstream();
  await using proxy = await startGptLoad({
    keys,
    upstreams: [upstream.url],
    env: { WORKERS: '2' },
  });
  const counted = await mixed(proxy, 23);
  let rows: Row[] = [];
  await eventually('all are in the books', async () => {
    rows = await usage(proxy, 'by=hour&group_by=client,group,model,key');
    return total(rows, 'requests') === counted.requests;
  });
  assert.equal(counted.requests, 207);
  assert.deepEqual(
    {
      input: total(rows, 'input_tokens'),
      cached: total(rows, 'cached_tokens'),
      written: total(rows, 'cache_write_tokens'),
      output: total(rows, 'output_tokens'),
      reasoning: total(rows, 'reasoning_tokens'),
      unknown: total(rows, 'unknown'),
      failed: total(rows, 'failed'),
    },
    {
      input: counted.input,
      cached: counted.cached,
      written: counted.written,
      output: counted.output,
      reasoning: counted.reasoning,
      unknown: 0,
      failed: 0,
    },
  );
  assert.equal(new Set(rows.map(({ key }) => key)).size, 1, 'previews of the three keys are alike');
  assert.match(rows[0]?.key ?? '', /^sk-t\.\.\.cdef$/);
  const metrics = (await proxy.ask('/metrics')).body;
  const kinds = [...metrics.matchAll(/gpt_load_tokens_total\{([^}]*)\} (\d+)/g)];
  const sum = kinds.reduce((all, [, , value]) => all + Number(value), 0);
  assert.equal(sum, counted.input + counted.output);
});

test('what nobody named is unknown, and what failed is told apart', async () => {
  await using upstream = await startScriptedUpstream({
    script: ({ model }) =>
      model === 'broken' ? { kind: 'refuse', refusal: 'bad_request' } : { kind: 'good' },
  });
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
  const ask = (body: object) => proxy.ask('/v1/chat/completions', post(body));
  const messages = [{ role: 'user', content: 'Hi' }];
  assert.equal((await ask({ model: 'silent', stream: true, messages })).status, 200);
  assert.equal((await ask({ model: 'broken', messages })).status, 400);
  let rows: Row[] = [];
  await eventually('both are in the books', async () => {
    rows = await usage(proxy, 'group_by=model');
    return rows.length === 2;
  });
  const [broken, silent] = rows;
  assert.deepEqual([broken?.model, broken?.failed, broken?.unknown], ['broken', 1, 0]);
  assert.deepEqual([silent?.model, silent?.failed, silent?.unknown], ['silent', 0, 1]);
});

function post(body: object): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}

/** A stream whose usage stands far behind its beginning. */
const STREAM = `${'data: {"choices":[{"delta":{"content":"word"}}],"usage":null}\n\n'.repeat(2_000)}data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}\n\ndata: [DONE]\n\n`;

test('compressed streams are read, and pass byte for byte', async () => {
  const encoded = new Map<string, Buffer>([
    ['identity', Buffer.from(STREAM)],
    ['gzip', zlib.gzipSync(STREAM)],
    ['deflate', zlib.deflateSync(STREAM)],
    ['br', zlib.brotliCompressSync(STREAM)],
    ['zstd', zlib.zstdCompressSync(STREAM)],
  ]);
  await using upstream = await startRawUpstream(async ({ readBody, send }) => {
    const { model } = JSON.parse((await readBody()).toString()) as { model: string };
    const body = encoded.get(model) ?? Buffer.alloc(0);
    const coding = model === 'identity' ? '' : `content-encoding: ${model}\r\n`;
    const head = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n${coding}`;
    await send(`${head}content-length: ${body.length}\r\n\r\n`);
    // In two parts: what a decoder waits for must not be waited for by the client.
    const half = body.length >> 1;
    await send(body.subarray(0, half));
    await send(body.subarray(half));
  });
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
  for (const [model, body] of encoded) {
    const got = await bytesOf(proxy, { model, stream: true });
    assert.ok(got.equals(body), model);
  }
  let rows: Row[] = [];
  await eventually('all are in the books', async () => {
    rows = await usage(proxy, 'group_by=model');
    return rows.length === encoded.size;
  });
  for (const { model, input_tokens, output_tokens, unknown } of rows) {
    assert.deepEqual([input_tokens, output_tokens, unknown], [11, 7, 0], model);
  }
});

/** An answer's bytes as they came, not decoded. */
function bytesOf(proxy: GptLoad, body: object): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'accept-encoding': 'gzip, br, zstd' };
    const url = `${proxy.url}/v1/chat/completions`;
    const asked = request(url, { method: 'POST', headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve(Buffer.concat(chunks));
    });
    asked.on('error', reject).end(JSON.stringify(body));
  });
}

test('a price file that is no price file is told at the start, once', async () => {
  await using upstream = await startScriptedUpstream();
  const files = { 'prices.json': '{"gpt-4o":{}}' };
  const env = { PRICES_FILE: 'prices.json' };
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], files, env });
  await proxy.waitForLog(/PRICES_FILE: has no model/);
  for (let i = 0; i < 3; i += 1) await usage(proxy);
  assert.equal(proxy.output().match(/PRICES_FILE/g)?.length, 1);
});

test('the books survive kill -9 but for the last second, and CSV has the same rows', async () => {
  await using upstream = await startScriptedUpstream();
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-usage-'));
  const prices = join(directory, 'prices.json');
  const price = { input_cost_per_token: 0.001, output_cost_per_token: 0.01 };
  writeFileSync(prices, JSON.stringify({ 'gpt-4o': price, sample_spec: {} }));
  const env = { STATE_FILE: join(directory, 'state.db'), PRICES_FILE: prices };
  const messages = [{ role: 'user', content: 'Hi' }];
  try {
    const first = await startGptLoad({ keys, upstreams: [upstream.url], env });
    for (let i = 0; i < 20; i += 1) {
      await first.ask('/v1/chat/completions', post({ model: 'gpt-4o', messages }));
    }
    await first.ask('/v1/chat/completions', post({ model: '=cmd|x', messages }));
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    first.signal('SIGKILL');
    await first.exited;
    await using second = await startGptLoad({ keys, upstreams: [upstream.url], env });
    const rows = await usage(second, 'by=day&group_by=model');
    assert.equal(total(rows, 'requests'), 21);
    const known = rows.find(({ model }) => model === 'gpt-4o');
    assert.ok((known?.cost_usd ?? 0) > 0.2, `${known?.cost_usd}`);
    const csv = await fetch(`${second.url}/usage?group_by=model`, {
      headers: { accept: 'text/csv' },
    });
    assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/);
    const lines = (await csv.text()).trimEnd().split('\r\n');
    assert.equal(lines.length, 3);
    assert.match(lines[0] ?? '', /^start,model,requests,failed,unknown,input_tokens/);
    assert.match(lines[1] ?? '', /,'=cmd\|x,1,/);
    for (const query of ['by=week', 'from=yesterday', 'group_by=colour']) {
      const { status, body } = await second.ask(`/usage?${query}`);
      assert.equal(status, 400, query);
      assert.match(body, /"code":"bad_query"/);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a client with tokens_per_day is told when they are used up, also after a restart', async () => {
  await using upstream = await startScriptedUpstream();
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-day-tokens-'));
  const files = {
    'gpt-load.toml': `[group.one]\nbase_url = "${upstream.url}"\nkeys_file = "one.txt"\nmodels = ["*"]\n[client.small]\nkey = "client-key-small"\ntokens_per_day = 100\n`,
    'one.txt': `${keys[0]}\n`,
  };
  const env = { STATE_FILE: join(directory, 'state.db') };
  const start = () => {
    return startGptLoad({ keys, upstreams: [], withoutKeysFile: true, files, env });
  };
  const ask = (proxy: GptLoad) => {
    return proxy.fetch(`${proxy.url}/v1/chat/completions`, {
      ...post({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }),
      headers: { authorization: 'Bearer client-key-small', 'content-type': 'application/json' },
    });
  };
  try {
    {
      await using proxy = await start();
      let last = 200;
      for (let i = 0; i < 20 && last === 200; i += 1) last = (await ask(proxy)).status;
      assert.equal(last, 429);
      const refused = await ask(proxy);
      assert.match(
        await refused.text(),
        /client small has reached its limit of 100 tokens per day/,
      );
      assert.ok(Number(refused.headers.get('retry-after')) > 0);
    }
    await using proxy = await start();
    assert.equal((await ask(proxy)).status, 429);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('ENABLE_USAGE=false keeps no books', async () => {
  await using upstream = await startScriptedUpstream();
  const env = { ENABLE_USAGE: 'false' };
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
  await proxy.ask('/v1/chat/completions', post({ model: 'gpt-4o', messages: [] }));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.deepEqual(await usage(proxy), []);
});
