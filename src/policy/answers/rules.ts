// What providers' answers mean, as data: first match wins, top to bottom. classify.ts applies it;
// nothing here runs. Machine-readable codes come first, then wording: whole phrases, never one
// word, because answers quote prompts, and because Gemini and DashScope write "quota" and "billing"
// about rates that recover within a minute.

import type { Rule } from './rule.ts';
import { ACCESS_BY_CODE, ACCESS_BY_WORDING } from './rules-access.ts';
import { DEAD_KEY } from './rules-key.ts';
import { MONEY_AND_CAPS } from './rules-money.ts';
import { CAPACITY, REQUEST_AND_EDGE, REQUEST_CONTENT } from './rules-request.ts';
import { BY_STATUS, IN_STREAM } from './rules-status.ts';

/** Every rule, in order. The last one has no condition. */
export const RULES: readonly Rule[] = [
  ...REQUEST_AND_EDGE,
  ...MONEY_AND_CAPS,
  ...ACCESS_BY_WORDING,
  ...REQUEST_CONTENT,
  ...DEAD_KEY,
  ...ACCESS_BY_CODE,
  ...CAPACITY,
  ...IN_STREAM,
  ...BY_STATUS,
];
