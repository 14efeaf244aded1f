// What becomes of requests when keys are bad, by their names at the scripted upstream. A plain
// reverse proxy has one key and passes on what it says.

import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import {
  chatBytes,
  JSON_BODY,
  recovery,
  type Scenario,
  STREAM_BODY,
  seen,
  summed,
} from './scenario.ts';
import { blamed, startOwn } from './subject.ts';

const REQUESTS = 6;
const RETRY_AFTER_S = 1;

/** [what it is called, what the keys are, whether the answers are streams] */
const CASES: readonly (readonly [name: string, keys: readonly string[], stream?: boolean])[] = [
  ['one of three is invalid', ['dead', 'good', 'good']],
  ['one of three gets 401 without a reason', ['unauthenticated', 'good', 'good']],
  ['one of three is rate limited', ['limited', 'good', 'good']],
  ['one of three has no credit left', ['quota', 'good', 'good']],
  ['one of three gets 500', ['broken', 'good', 'good']],
  ['one of three gets an overload error', ['overloaded', 'good', 'good']],
  ['one of three is invalid, and the answer repeats it', ['leaking', 'good', 'good']],
  ['one of three has no access to the model', ['nomodel', 'good', 'good']],
  ['an invalid request, whichever key is used', ['badrequest', 'badrequest', 'badrequest']],
  ['a stream of one of three starts with an error', ['streamerror', 'good', 'good'], true],
  ['a stream of one of three is cut short', ['cut', 'good', 'good'], true],
  ['one fails on every second request', ['flaky', 'good', 'good']],
  ['one is rate limited on every third request', ['limited3', 'good', 'good']],
  [
    'two of six work, after dead, rate limited, unpaid and no-access ones',
    ['dead', 'limited', 'quota', 'nomodel', 'good', 'good'],
  ],
  ['all are invalid', ['dead', 'dead', 'dead']],
  ['all are rate limited', ['limited', 'limited', 'limited']],
  ['all get rate limited now and then, and recover', ['limited3', 'limited3', 'limited3']],
  ['all get 500', ['broken', 'broken', 'broken']],
  ['all but one take 10 s', ['never', 'never', 'good']],
];

/** Those that never get well have no recovery. */
const HOPELESS = /^(?:all (?:are invalid|are rate limited|get 500|but one)|an invalid request)/;

export const keyFaults: readonly Scenario[] = CASES.map(([name, kinds, stream = false]) => ({
  area: 'Keys',
  name,
  run: async () => {
    const keys = kinds.map((kind, i) => `sk-test-${kind}-key${i}-0123456789abcdef`);
    await using upstream = await startScriptedUpstream({ retryAfterS: RETRY_AFTER_S });
    await using subject = await startOwn([upstream.url], { keys });
    const bytes = chatBytes(stream ? STREAM_BODY : JSON_BODY);
    const all: string[] = [];
    for (let i = 0; i < REQUESTS; i += 1) all.push(await seen(subject.port, bytes));
    const lost = all.filter((what) => what !== '200').length;
    const who = await blamed(subject.own);
    const again = HOPELESS.test(name)
      ? 'never: the fault is permanent'
      : await recovery(subject.port, bytes);
    return { saw: summed(all), blamed: who, lost: `${lost} of ${REQUESTS}`, recovery: again };
  },
}));
