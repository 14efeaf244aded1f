// A client on a bare socket: sends exactly the bytes it is given and shows exactly the bytes that
// come back. For what an HTTP library would tidy up: header order and spelling, framing, interim
// answers, truncation.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ByteReader, EndedEarly } from './byte-reader.ts';
import { sendBytes } from './raw-upstream.ts';

export interface RawAnswer {
  readonly status: number;
  /** Status line and header fields as received, without the empty line. */
  readonly head: string;
  /** Field names and values, in order, spelled as received. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Heads of the 1xx answers before it. */
  readonly interim: readonly string[];
  /** Without chunk framing. */
  readonly body: Buffer;
  readonly trailers: readonly string[];
  readonly chunkSizes: readonly number[];
  /** False when the connection ended before the body's announced end. */
  readonly complete: boolean;
}

export interface RawClient {
  readonly socket: Socket;
  readonly reader: ByteReader;
  readonly send: (bytes: string | Buffer) => Promise<void>;
  /** Reads one answer; `method` HEAD has no body whatever its head says. */
  readonly answer: (method?: string) => Promise<RawAnswer>;
  readonly destroy: () => void;
  readonly [Symbol.dispose]: () => void;
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const reader = new ByteReader(socket);
  socket.on('error', () => {});
  const destroy = () => void socket.destroy();
  return {
    socket,
    reader,
    send: (bytes) => sendBytes(socket, bytes),
    answer: (method = 'GET') => readAnswer(reader, method),
    destroy,
    [Symbol.dispose]: destroy,
  };
}

/** One request on a connection of its own. The bytes are the whole request, head and body. */
export async function rawRequest(port: number, bytes: string | Buffer): Promise<RawAnswer> {
  using client = await connectRaw(port);
  await client.send(bytes);
  const method = bytes.toString('latin1', 0, 8).split(' ')[0];
  return await client.answer(method);
}

/** The bytes of a request; adds Host and, for a body, Content-Length, and nothing else. */
export function requestBytes(
  line: string,
  fields: readonly string[] = [],
  body: string | Buffer = '',
): Buffer {
  const length = body.length > 0 ? [`Content-Length: ${Buffer.byteLength(body)}`] : [];
  const head = [`${line} HTTP/1.1`, 'Host: gpt-load.test', ...fields, ...length, '', ''];
  return Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), Buffer.from(body)]);
}

/** All values of a field, in order. */
export function valuesOf(answer: RawAnswer, name: string): string[] {
  return answer.fields
    .filter(([each]) => each.toLowerCase() === name.toLowerCase())
    .map(([, value]) => value);
}

async function readAnswer(reader: ByteReader, method: string): Promise<RawAnswer> {
  const interim: string[] = [];
  for (;;) {
    const bytes = await reader.until('\r\n\r\n');
    if (bytes === undefined) throw new EndedEarly(Buffer.alloc(0), reader.wasReset);
    const head = bytes.subarray(0, -4).toString('latin1');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
    if (status >= 100 && status < 200) {
      interim.push(head);
      continue;
    }
    const fields = head
      .split('\r\n')
      .slice(1)
      .map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
      });
    const none = method === 'HEAD' || status === 204 || status === 304;
    const body = none ? noBody : await readBody(reader, fields);
    return { status, head, fields, interim, ...body };
  }
}

const noBody = { body: Buffer.alloc(0), trailers: [], chunkSizes: [], complete: true };

async function readBody(
  reader: ByteReader,
  fields: readonly (readonly [string, string])[],
): Promise<Pick<RawAnswer, 'body' | 'trailers' | 'chunkSizes' | 'complete'>> {
  const value = (name: string) => fields.find(([each]) => each.toLowerCase() === name)?.[1];
  try {
    if (value('transfer-encoding')?.toLowerCase().includes('chunked')) {
      const { body, trailers, sizes } = await reader.chunked();
      return { body, trailers, chunkSizes: sizes, complete: true };
    }
    const length = value('content-length');
    if (length === undefined) {
      return { ...noBody, body: await reader.rest(), complete: !reader.wasReset };
    }
    return { ...noBody, body: await reader.exactly(Number(length)) };
  } catch (error) {
    if (!(error instanceof EndedEarly)) throw error;
    return { ...noBody, body: error.partial, complete: false };
  }
}
