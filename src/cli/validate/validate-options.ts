// The options of validate-keys, each checked, with defaults from the configuration. Nothing is
// read from disk here.

import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { DEFAULT_GROUP } from '../../config/group-settings.ts';
import { integer, seconds } from '../../config/rules.ts';
import { parseUpstreamUrl } from '../../pool/upstreams/upstream-list.ts';

export interface ValidateOptions {
  readonly file: string;
  /** The group whose keys they are; undefined where there is but one. */
  readonly group: string | undefined;
  /** Where keys without a pin are checked. */
  readonly url: string;
  readonly model: string | undefined;
  readonly concurrency: number;
  readonly timeoutMs: number;
  /** Directory for the lists. */
  readonly output: string;
  readonly prune: boolean;
  readonly json: boolean;
}

export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

const DEFAULTS = { concurrency: '50', timeout: '30', output: '.' } as const;
/** Sockets at once; more would meet the limits of open files before those of a provider. */
const MAX_CONCURRENCY = 1_000;
const MIN_TIMEOUT_SECONDS = 0.1;

/**
 * The options, or one line that names the first one that is wrong.
 * @param config with the settings of the group, if one is checked
 */
export function readOptions(
  values: OptionValues,
  config: Config,
  group: string | undefined,
): ValidateOptions | string {
  const concurrency = text(values.concurrency) ?? DEFAULTS.concurrency;
  const timeout = text(values.timeout) ?? DEFAULTS.timeout;
  const rules = { concurrency: integer(1, MAX_CONCURRENCY), timeout: seconds(MIN_TIMEOUT_SECONDS) };
  const parallel = rules.concurrency.parse(concurrency);
  if (parallel === undefined) return mistake('concurrency', rules.concurrency.text, concurrency);
  const timeoutMs = rules.timeout.parse(timeout);
  if (timeoutMs === undefined) return mistake('timeout', rules.timeout.text, timeout);
  const given = text(values.url);
  const url = given === undefined ? config.upstreams[0] : parseUpstreamUrl(given);
  if (url === null || url === undefined) {
    return mistake(
      'url',
      'an http:// or https:// URL without user, query or fragment',
      given ?? '',
    );
  }
  for (const name of ['file', 'output', 'model']) {
    if (values[name] === '') return mistake(name, 'a non-empty value', '');
  }
  const isOnly = group === undefined || group === DEFAULT_GROUP;
  const output = text(values.output) ?? DEFAULTS.output;
  return {
    file: text(values.file) ?? config.keysFile,
    group: isOnly ? undefined : group,
    url,
    model: text(values.model),
    concurrency: parallel,
    timeoutMs,
    output: isOnly ? output : join(output, group),
    prune: values.prune === true,
    json: values.json === true,
  };
}

function mistake(option: string, rule: string, got: string): string {
  return `--${option}: must be ${rule}, got ${JSON.stringify(got.replace(/\/\/[^/@\s]*@/g, '//****@'))}`;
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
