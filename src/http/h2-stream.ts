// Two corrections to Node's client streams, so that an answer's body behaves as over HTTP/1.1:
// whether it ended or was cut off, and what the peer is told when nobody wants it any more.

import { type ClientHttp2Stream, constants } from 'node:http2';

/**
 * Prepares a stream that was just opened. Destroying it then resets it with CANCEL; Node would say
 * NO_ERROR, which promises that nothing was lost (RFC 9113 7).
 * @returns whether the peer has ended the stream. RST_STREAM with NO_ERROR in mid-body looks like an
 * end to Node's `end` event; END_STREAM alone ends the readable side while the stream is not closed.
 */
export function correctStream(stream: ClientHttp2Stream): () => boolean {
  let ended = false;
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (chunk === null && !stream.closed) ended = true;
    return push(chunk, encoding);
  };
  const destroy = stream.destroy.bind(stream);
  stream.destroy = (error?: Error): ClientHttp2Stream => {
    if (!stream.closed && !stream.destroyed && !stream.pending) {
      stream.close(constants.NGHTTP2_CANCEL);
    }
    return destroy(error);
  };
  return () => ended;
}
