// A yardstick: node:http towards clients, undici's dispatch towards the upstream, and nothing else.
// It trusts its peers, and is not a proxy to run. PORT and UPSTREAM_PORT say where.

import http from 'node:http';
import { Pool } from 'undici';

const pool = new Pool(`http://127.0.0.1:${process.env.UPSTREAM_PORT}`, {
  connections: 256,
  pipelining: 1,
});

const server = http.createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { connection: _, host: __, ...headers } = request.headers;
    pool.dispatch(
      {
        method: request.method as 'POST',
        path: request.url ?? '/',
        headers,
        body: Buffer.concat(chunks),
      },
      {
        onRequestStart() {},
        onResponseStart(controller, status) {
          const raw = (controller as unknown as { rawHeaders: Buffer[] }).rawHeaders;
          response.writeHead(
            status,
            raw.map((part) => part.toString('latin1')),
          );
        },
        onResponseData(_controller, chunk) {
          response.write(chunk);
        },
        onResponseEnd() {
          response.end();
        },
        onResponseError() {
          response.destroy();
        },
      },
    );
  });
});

server.listen(Number(process.env.PORT), '127.0.0.1');
