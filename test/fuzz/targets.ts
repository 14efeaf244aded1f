// All that is fuzzed, in the order in which it is told.

import type { FuzzTarget } from './fuzz-target.ts';
import { awsEvents, firstEvents } from './targets/events.ts';
import { envFile, keyFile, tomlFile } from './targets/files.ts';
import { redaction } from './targets/redaction.ts';
import { requestTarget } from './targets/request-target.ts';
import { responseParser } from './targets/response-parser.ts';
import { retryAfter } from './targets/retry-after.ts';
import { usage } from './targets/usage.ts';
import { websocketFrames } from './targets/websocket-frames.ts';

export const TARGETS: readonly FuzzTarget[] = [
  keyFile,
  tomlFile,
  envFile,
  requestTarget,
  responseParser,
  retryAfter,
  firstEvents,
  awsEvents,
  usage,
  websocketFrames,
  redaction,
];
