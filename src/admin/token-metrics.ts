// Tokens that answers have named since the start, as a metric: a series for each group, model,
// client and kind, of which there are no more than the coordinator keeps apart.

import type { TokenSeries } from '../proxy/usage-tally.ts';
import { by, counter, type Plain } from './families.ts';

/** Kinds add up: what was cached is not counted as input once more, nor reasoning as output. */
export function tokenFamily(series: readonly TokenSeries[]): Plain {
  const samples = series.flatMap(({ group, model, client, ...tokens }) => {
    const { input, cached, cacheWrite, output, reasoning } = tokens;
    const kinds = {
      input: input - cached - cacheWrite,
      cached_input: cached,
      cache_write: cacheWrite,
      output: output - reasoning,
      reasoning,
    };
    return by('kind', kinds, { group, model, client });
  });
  return counter(
    'tokens',
    'Tokens reported in answers, by group, model, client and kind.',
    samples,
  );
}
