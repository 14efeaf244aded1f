// The clients of a soak: what each of them does once, well or badly. How often, and what is looked
// at meanwhile, is run.ts's.

import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRaw, requestBytes } from '../support/raw-client.ts';

/** Longer than anything that a client of a soak waits for. */
const LIMIT_MS = 20_000;
const UPLOAD = `{"model":"gpt-4o","messages":[],"padding":"${'x'.repeat(2_000_000)}"}`;
const CHAT = '/v1/chat/completions';

/** What one deed came to: a status, or how it ended without one. */
export type Deed = (port: number, agent: http.Agent) => Promise<string>;

function post(port: number, agent: http.Agent, body: string, leaveAfterMs?: number) {
  return new Promise<string>((resolve) => {
    const headers = { 'content-type': 'application/json' };
    const options = { port, host: '127.0.0.1', path: CHAT, method: 'POST', headers, agent };
    const request = http.request({ ...options, timeout: LIMIT_MS }, (response) => {
      response.once('close', () => {
        resolve(response.complete ? String(response.statusCode) : 'cut');
      });
      response.on('error', () => {}).resume();
    });
    request.once('error', () => resolve('no answer')).once('timeout', () => request.destroy());
    request.end(body);
    if (leaveAfterMs !== undefined) setTimeout(() => request.destroy(), leaveAfterMs);
  });
}

const body = (stream: boolean) =>
  JSON.stringify({ model: 'gpt-4o', stream, messages: [{ role: 'user', content: 'hello' }] });

/** Reads a stream so slowly that the upstream has to wait, and then leaves. */
async function slowReader(port: number): Promise<string> {
  using client = await connectRaw(port);
  await client.send(requestBytes(`POST ${CHAT}`, ['Content-Type: application/json'], body(true)));
  for (let i = 0; i < 5; i += 1) {
    client.reader.pause();
    await sleep(50);
    client.reader.resume();
    await sleep(5);
  }
  return 'slow reader left';
}

/** Announces more than it sends. */
async function halfUpload(port: number): Promise<string> {
  using client = await connectRaw(port);
  await client.send(`POST ${CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"model":`);
  await sleep(20);
  return 'half upload left';
}

async function nonsense(port: number): Promise<string> {
  using client = await connectRaw(port);
  await client.send('GET /%2e%2e/x HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n\x16\x03\x01');
  return String((await client.answer()).status);
}

/** What clients do, in turn. */
export const DEEDS: readonly Deed[] = [
  (port, agent) => post(port, agent, body(false)),
  (port, agent) => post(port, agent, body(true)),
  (port, agent) => post(port, agent, body(false)),
  (port, agent) => post(port, agent, body(true), 15),
  (port, agent) => post(port, agent, body(false), 1),
  (port, agent) => post(port, agent, UPLOAD),
  (port) => slowReader(port),
  (port) => halfUpload(port),
  (port) => nonsense(port),
];
