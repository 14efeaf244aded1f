// A provider that does as its script says: speaks OpenAI, Anthropic and Gemini, refuses by key,
// and remembers who asked what. Words and behaviours live in their own files. For demo and tests.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHttpServer } from '../front/server.ts';
import { anthropicShape } from './anthropic-shape.ts';
import { type Behaviour, behaviourOfKey } from './behaviour.ts';
import { cohereShape, isCoherePath } from './cohere-shape.ts';
import { geminiShape } from './gemini-shape.ts';
import { conversationOf } from './live/conversations.ts';
import { converse, type Handshake } from './live/websocket-peer.ts';
import { openaiShape } from './openai-shape.ts';
import type { ProviderShape } from './provider-shape.ts';
import { jsonReply, type Reply, sendReply } from './reply.ts';
import { readRequest, type ScriptedRequest } from './scripted-request.ts';

/** Requests remembered; older ones are forgotten first. */
const defaultMaxRecords = 10_000;
/** Keys whose requests are counted; a demo has five, a test a few thousand. */
const maxCountedKeys = 100_000;
const defaultRetryAfterS = 20;
/** A slow upload may take an hour; idle connections stay as long as most providers keep theirs. */
const limits = { readTimeoutMs: 3_600_000, idleTimeoutMs: 60_000 };

export interface UpstreamRecord {
  readonly request: ScriptedRequest;
  readonly behaviour: Behaviour;
  /** Status sent; 0 while, or if, none was. */
  status: number;
  /** The whole answer was handed over. */
  finished: boolean;
  /** The other side left before that. */
  aborted: boolean;
}

export interface ScriptedUpstreamOptions {
  readonly host?: string;
  /** 0, the default: any free one. */
  readonly port?: number;
  /** What to do with this request; default: by the name of its key. */
  readonly script?: (request: ScriptedRequest) => Behaviour;
  /** Pause between the events of a stream, in milliseconds; default none. */
  readonly paceMs?: number;
  /** Waiting time that a rate limit names, in seconds; default 20. */
  readonly retryAfterS?: number;
  readonly maxRecords?: number;
  /** Called once for each request, when its answer is over. */
  readonly onAnswered?: (record: UpstreamRecord) => void;
}

export interface ScriptedUpstream {
  readonly port: number;
  /** Base URL without a path, as OPENAI_BASE_URL takes it. */
  readonly url: string;
  /** Oldest first, at most `maxRecords`; requests whose body never ended are not in it. */
  readonly records: readonly UpstreamRecord[];
  /** Requests received since the start, forgotten and unfinished ones included. */
  readonly received: () => number;
  /** Connections open now. */
  readonly connections: () => number;
  readonly forget: () => void;
  /** Closes every connection at once. */
  readonly close: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/**
 * Which API a request is for: Gemini by path or the place of its key, Anthropic by path or version,
 * else OpenAI.
 */
function shapeOf(request: ScriptedRequest): ProviderShape {
  const { path, credential, headers } = request;
  if (/\/v1(beta|alpha)\/openai\//.test(path)) return geminiOpenaiShape;
  if (/\/v1(beta|alpha)\/|\/models\/[^/]+:/.test(path)) return geminiShape;
  if (request.query.has('upload_id') || credential === 'x-goog-api-key') return geminiShape;
  if (credential === 'query') return geminiShape;
  if (isCoherePath(path)) return cohereShape;
  if (/\/messages(\/|$)/.test(path) || headers['anthropic-version'] !== undefined) {
    return anthropicShape;
  }
  return openaiShape;
}

/**
 * Gemini's OpenAI-compatible paths answer like OpenAI and refuse like Gemini, wrapped in an array.
 */
const geminiOpenaiShape: ProviderShape = {
  ...openaiShape,
  refuse(refusal, request, retryAfterS) {
    const { body, ...reply } = geminiShape.refuse(refusal, request, retryAfterS);
    return { ...reply, body: `[${String(body).trimEnd()}\n]\n` };
  },
};

function replyTo(request: ScriptedRequest, behaviour: Behaviour, retryAfterS: number): Reply {
  const shape = shapeOf(request);
  const streamed = request.json?.stream === true || request.path.endsWith(':streamGenerateContent');
  switch (behaviour.kind) {
    case 'reply':
      return behaviour.reply;
    case 'refuse':
      return shape.refuse(behaviour.refusal, request, behaviour.retryAfterS ?? retryAfterS);
    case 'stream_error':
      return streamed
        ? shape.streamError(request)
        : shape.refuse('overloaded', request, retryAfterS);
    case 'good':
    case 'slow':
    case 'cut':
    case 'never':
      return shape.answer(request) ?? jsonReply(404, { error: { message: 'no such path' } });
  }
}

/** Starts the upstream; rejects when the port is taken. */
export async function startScriptedUpstream(
  options: ScriptedUpstreamOptions = {},
): Promise<ScriptedUpstream> {
  const records: UpstreamRecord[] = [];
  const calls = new Map<string, number>();
  let received = 0;
  let connections = 0;
  const nthOf = (key: string) => {
    const nth = (calls.get(key) ?? 0) + 1;
    if (calls.size < maxCountedKeys || calls.has(key)) calls.set(key, nth);
    return nth;
  };

  const handle = async (message: IncomingMessage, response: ServerResponse) => {
    received += 1;
    if (message.headers.expect !== undefined) response.writeContinue();
    const request = await readRequest(message, received, nthOf);
    const behaviour = (options.script ?? behaviourOfKey)(request);
    const record = { request, behaviour, status: 0, finished: false, aborted: false };
    records.push(record);
    if (records.length > (options.maxRecords ?? defaultMaxRecords)) records.shift();
    response.once('close', () => {
      record.finished = response.writableFinished;
      record.aborted = !record.finished && behaviour.kind !== 'cut';
      options.onAnswered?.(record);
    });
    await perform(response, record, options);
  };

  const server = createHttpServer(limits, (message, response) => {
    // A client that leaves while it sends is nobody's mistake here; what else fails is a bug in a
    // script.
    handle(message, response).catch((error: unknown) => {
      if (message.complete) response.destroy(error instanceof Error ? error : undefined);
      else response.destroy();
    });
  });
  server.on('connection', (socket) => {
    connections += 1;
    socket.once('close', () => {
      connections -= 1;
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = () => {
    return new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };
  return {
    port,
    url: `http://${options.host ?? '127.0.0.1'}:${port}`,
    records,
    received: () => received,
    connections: () => connections,
    forget: () => {
      records.length = 0;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function perform(
  response: ServerResponse,
  record: UpstreamRecord,
  options: ScriptedUpstreamOptions,
): Promise<void> {
  const { behaviour, request } = record;
  if (behaviour.kind === 'never') return;
  if (behaviour.kind === 'slow') await sleep(behaviour.delayMs);
  const handshake = behaviour.kind === 'refuse' ? undefined : handshakeOf(request);
  const conversation = handshake && conversationOf(request);
  if (handshake !== undefined && conversation !== undefined) {
    record.status = 101;
    converse(response, handshake, conversation, options.paceMs);
    return;
  }
  const reply = replyTo(request, behaviour, options.retryAfterS ?? defaultRetryAfterS);
  const paceMs = (behaviour.kind === 'good' ? behaviour.paceMs : undefined) ?? options.paceMs;
  record.status = reply.status;
  await sendReply(response, {
    ...(paceMs === undefined ? {} : { paceMs }),
    ...(behaviour.kind === 'cut' ? { cutAfter: behaviour.afterEvents } : {}),
    ...reply,
  });
}

/** What a WebSocket is asked for with. The first subprotocol that holds no key is agreed to. */
function handshakeOf({ headers }: ScriptedRequest): Handshake | undefined {
  if (String(headers.upgrade).toLowerCase() !== 'websocket') return undefined;
  const key = String(headers['sec-websocket-key'] ?? '');
  const offered = String(headers['sec-websocket-protocol'] ?? '').split(',');
  const protocol = offered.map((each) => each.trim()).find((each) => !each.includes('.'));
  return { key, protocol: protocol ?? '' };
}
