// Node's modules that a plain http service never needs. Each costs a thread some 4 MB and 10 ms, so
// they are loaded when they are first used.

/** node:tls, for https upstreams and for TLS_CERT_FILE. */
export function tls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls');
}

/** node:https, to serve it. */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}

/** node:http2, for upstreams and clients that negotiate it. */
export function http2(): typeof import('node:http2') {
  return process.getBuiltinModule('node:http2');
}

/** node:zlib, for answers that are encoded, or are to be. */
export function zlib(): typeof import('node:zlib') {
  return process.getBuiltinModule('node:zlib');
}

/** node:dns, for upstreams and proxies that have names. */
export function dns(): typeof import('node:dns') {
  return process.getBuiltinModule('node:dns');
}

/** node:crypto, for AUTH_KEY and certificates. */
export function crypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto');
}
