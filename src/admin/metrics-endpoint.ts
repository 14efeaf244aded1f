// GET /metrics: the numbers of this moment in the format that the scraper prefers. Decides framing
// only.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { CONTENT_TYPE, exposition, negotiateFormat } from './exposition.ts';
import { metricFamilies } from './metrics.ts';
import { type MetricsSources, metricsSnapshot } from './metrics-snapshot.ts';

/** Answers 200 with all families; never fails for a format, text is the default. */
export function sendMetrics(
  request: IncomingMessage,
  response: ServerResponse,
  sources: MetricsSources,
): void {
  const format = negotiateFormat(request.headers.accept);
  const body = exposition(metricFamilies(metricsSnapshot(sources, Date.now())), format);
  response.writeHead(200, {
    'Content-Type': CONTENT_TYPE[format],
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Vary: 'Accept',
  });
  response.end(body);
}
