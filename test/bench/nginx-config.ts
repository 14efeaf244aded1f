// nginx as people put it before an API: one worker, keep-alive both ways, nothing logged. Documents
// keep its default buffering; event streams go unbuffered, as nginx's own documentation advises.

import { STREAM_PATH } from './messages.ts';

interface NginxSetup {
  readonly port: number;
  readonly upstreamPort: number;
  /** For its pid file and temporary files. */
  readonly directory: string;
}

export function nginxConfig({ port, upstreamPort, directory }: NginxSetup): string {
  const pass = `
      proxy_pass http://upstream;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer another-key";`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${directory}/nginx-${name};`)
    .join('\n');
  return `
daemon off;
worker_processes 1;
worker_rlimit_nofile 10000;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
${temporary}
  keepalive_requests 1000000000;
  upstream upstream {
    server 127.0.0.1:${upstreamPort};
    keepalive 128;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {${pass}
    }
    location ${STREAM_PATH} {${pass}
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
}
