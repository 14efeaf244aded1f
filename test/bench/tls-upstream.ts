// An upstream over TLS that speaks HTTP/2 and HTTP/1.1 alike, in a process of its own: what the two
// cost gpt-load is compared with it. Says its port to the parent and lives until that ends.

import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { certificate } from '../support/tls-fixture.ts';
import { ANSWER_BODY } from './messages.ts';

const server = createSecureServer({ ...certificate('server'), allowHTTP1: true });
server.on('request', (request, response) => {
  request.resume();
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.setHeader('content-length', ANSWER_BODY.length);
    response.end(ANSWER_BODY);
  });
});
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.once('disconnect', () => process.exit());
