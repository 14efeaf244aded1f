// One request to a running gpt-load, one whole answer: what the client commands need and no more.
// No redirects, no proxies, no retry.

import { X509Certificate } from 'node:crypto';
import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';

/** More than the lists of a million keys need; a longer answer does not come from gpt-load. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
/** From the question to the end of the answer. */
const ASK_TIMEOUT_MS = 10_000;

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  /** A Unix socket to connect to instead of the URL's host and port. */
  readonly socketPath: string | undefined;
  /** '' sends none. */
  readonly authKey: string;
  /** PEM of the server's own certificate: that one is accepted, for any name, and no other. */
  readonly certificate: string | undefined;
  /** PEM of one more certificate authority. */
  readonly extraCa: string | undefined;
  /** Whose certificate it is does not matter: nothing secret is asked or told. */
  readonly anyCertificate?: boolean;
  /** JSON to send; undefined: nothing. */
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Asks, and rejects with the network's error (`code`), or with ETIMEDOUT after ASK_TIMEOUT_MS. */
export function ask(question: Question): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const send = question.url.protocol === 'https:' ? https.request : http.request;
  const request = send(question.url, optionsOf(question), (response) => {
    readWhole(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
  });
  const timer = setTimeout(() => {
    const seconds = ASK_TIMEOUT_MS / 1000;
    request.destroy(Object.assign(new Error(`no answer in ${seconds} s`), { code: 'ETIMEDOUT' }));
  }, ASK_TIMEOUT_MS);
  request.on('error', reject);
  request.on('close', () => clearTimeout(timer));
  request.end(question.body);
  return promise;
}

function optionsOf(question: Question): RequestOptions & https.RequestOptions {
  const { authKey, certificate, extraCa, socketPath } = question;
  return {
    method: question.method,
    agent: false,
    headers: {
      Accept: 'application/json',
      ...(question.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(authKey === '' ? {} : { Authorization: `Bearer ${authKey}` }),
    },
    ...(socketPath === undefined ? {} : { socketPath }),
    ...(extraCa === undefined ? {} : { ca: extraCa }),
    ...(certificate === undefined ? {} : pinned(certificate)),
    ...(question.anyCertificate === true ? { rejectUnauthorized: false } : {}),
  };
}

/**
 * The address is 127.0.0.1 while the certificate names the public host: known by its bytes instead.
 */
function pinned(certificate: string): https.RequestOptions {
  const own = new X509Certificate(certificate).fingerprint256;
  return {
    ca: certificate,
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, peer) =>
      peer.fingerprint256 === own
        ? undefined
        : Object.assign(new Error('another certificate than TLS_CERT_FILE'), {
            code: 'ERR_TLS_PIN',
          }),
  };
}

async function readWhole(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
