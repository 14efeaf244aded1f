// A yardstick: sockets on both sides, a connection to the upstream for each client's, bytes passed
// as they come. What Node itself costs where nobody parses. PORT and UPSTREAM_PORT say where.

import net from 'node:net';

const upstreamPort = Number(process.env.UPSTREAM_PORT);

const server = net.createServer({ noDelay: true }, (client) => {
  const upstream = net.connect({ port: upstreamPort, host: '127.0.0.1', noDelay: true });
  client.on('data', (chunk) => upstream.write(chunk));
  upstream.on('data', (chunk) => client.write(chunk));
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.on('close', () => other.destroy()).on('error', () => other.destroy());
  }
});

server.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096 });
