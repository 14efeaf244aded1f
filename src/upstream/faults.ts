// Names for what can go wrong between this proxy and an upstream: Node's error codes become our
// fault codes. Whose fault that is, classify decides.

import type { FaultCode } from '../policy/verdict.ts';

const BY_ERROR_CODE: Readonly<Record<string, FaultCode>> = {
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  EAI_NODATA: 'dns',
  ECONNREFUSED: 'connect',
  EHOSTUNREACH: 'connect',
  ENETUNREACH: 'connect',
  EADDRNOTAVAIL: 'connect',
  EMFILE: 'descriptors',
  ENFILE: 'descriptors',
  ETIMEDOUT: 'connect_timeout',
};

/**
 * The fault behind a network error.
 * @param sent whether the connection stood and bytes of the request may have left
 */
export function faultCode(error: NodeJS.ErrnoException, sent: boolean): FaultCode {
  const code = error.code ?? '';
  const known = BY_ERROR_CODE[code];
  if (known !== undefined && !(sent && known === 'connect_timeout')) return known;
  if (code.startsWith('HPE_')) return 'protocol';
  if (!sent && isTlsCode(code)) return 'tls';
  return sent ? 'reset' : 'connect';
}

function isTlsCode(code: string): boolean {
  return (
    code.startsWith('ERR_TLS_') ||
    code.startsWith('ERR_SSL_') ||
    code.includes('CERT') ||
    code.startsWith('UNABLE_TO_') ||
    code === 'EPROTO'
  );
}

const MESSAGES: Readonly<Record<FaultCode, string>> = {
  dns: 'the host name of the upstream could not be resolved',
  connect: 'could not connect to the upstream',
  connect_timeout: 'connecting to the upstream timed out',
  tls: 'the TLS handshake with the upstream failed',
  route: 'the outgoing proxy failed',
  reset: 'the upstream closed the connection',
  refused_stream: 'the upstream refused the HTTP/2 stream',
  headers_timeout: 'the upstream did not answer in time',
  total_timeout: 'the answer did not complete in time',
  idle_timeout: 'the upstream stopped sending in the middle of the answer',
  first_event_timeout: 'the stream did not start in time',
  protocol: 'the upstream did not send valid HTTP',
  client_left: 'the client disconnected',
  descriptors: 'gpt-load has run out of file descriptors',
  shutdown: 'gpt-load is shutting down',
};

/** What a fault means, for people. */
export function faultMessage(code: FaultCode): string {
  return MESSAGES[code];
}

/** Whether the client is to be told 504 (nobody answered in time) rather than 502. */
export function isTimeout(code: FaultCode): boolean {
  return code.endsWith('_timeout');
}
