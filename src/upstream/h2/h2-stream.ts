// Two corrections to Node's client streams, so that an answer's body behaves as over HTTP/1.1:
// whether it ended or was cut off, and what is sent to the peer when nobody wants it any more.

import type { ClientHttp2Stream } from 'node:http2';
import { http2 } from '../on-demand.ts';

/**
 * Prepares a stream that was just opened. Destroying it then resets it with CANCEL; Node would say
 * NO_ERROR, which promises that nothing was lost (RFC 9113 7).
 * @returns whether the peer ended the stream and did not take that back. To Node's `end` event
 * RST_STREAM with NO_ERROR in mid-body is an end, but END_STREAM alone ends the readable side of a
 * stream that is not closed yet. Node's own servers send END_STREAM before any RST_STREAM.
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
      stream.close(http2().constants.NGHTTP2_CANCEL);
    }
    return destroy(error);
  };
  return () => ended && !stream.rstCode;
}
