// From environment variables to one frozen Config, or to a ConfigError that lists every problem at
// once. What each variable is called, defaults to and must be is data in variables.ts; reading
// .env is env-file.ts.

import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '../errors.ts';
import { redact } from '../policy/redact.ts';
import { quote } from './quote.ts';
import { type Settings, VARIABLES, type Variable } from './variables.ts';

/** The outgoing proxies are read together. */
type ProxyField = 'httpProxy' | 'httpsProxy' | 'allProxy' | 'noProxy' | 'upstreamProxies';

/** Everything that can be set. Plain and clonable, so that it can be handed to workers. */
export type Config = Omit<Settings, ProxyField> & { readonly proxies: Proxies };

/** Outgoing proxies as curl reads them; '' = none. `no` lists hosts that are reached directly. */
export interface Proxies {
  readonly http: string;
  readonly https: string;
  readonly all: string;
  readonly no: readonly string[];
  /** `HOST=PROXY_URL` or `HOST=direct`: comes before all of these. */
  readonly upstreams: readonly string[];
}

/** Environment variables, as process.env holds them. */
export type Env = Readonly<Record<string, string | undefined>>;

/**
 * Reads every variable strictly. Unset or empty means the default (compose files write `NAME=`),
 * except STATE_FILE, where empty means none.
 * @throws ConfigError naming every variable that breaks its rule, the rule and the value received.
 */
export function parseConfig(env: Env): Config {
  const problems: string[] = [];
  const settings = readSettings(env, problems);
  problems.push(...conflicts(settings));
  if (problems.length > 0) throw new ConfigError(problems);

  const { httpProxy, httpsProxy, allProxy, noProxy, upstreamProxies, ...rest } = settings;
  const proxies = { http: httpProxy, https: httpsProxy, all: allProxy, no: noProxy };
  return deepFreeze({
    ...rest,
    stateFile: stateFileOf(env.STATE_FILE?.trim(), settings),
    proxies: { ...proxies, upstreams: upstreamProxies },
  });
}

/** The one variable that is off when empty: not set at all, the file is beside the key file. */
function stateFileOf(given: string | undefined, { keysFile, stateFile }: Settings): string {
  if (given === '') return '';
  return given === undefined ? join(dirname(keysFile), stateFile) : stateFile;
}

/** The files that a configuration names, whatever else may be wrong with it. */
export function fileNames(env: Env): { readonly keysFile: string; readonly configFile: string } {
  const name = (variable: Variable<string>) => givenText(env, variable) ?? variable.default;
  return { keysFile: name(VARIABLES.keysFile), configFile: name(VARIABLES.configFile) };
}

/** What a variable is set to, in its own unit. */
export type Shown = string | number | boolean | readonly string[];

/**
 * What is in force, under the variables' own names and in their units, with nothing secret in it.
 */
export function effectiveConfig(config: Config): Readonly<Record<string, Shown>> {
  const { http, https, all, no, upstreams } = config.proxies;
  const flat = { httpProxy: http, httpsProxy: https, allProxy: all, noProxy: no };
  const settings = { ...config, ...flat, upstreamProxies: upstreams };
  const shown: Record<string, Shown> = {};
  for (const [field, variable] of Object.entries(VARIABLES) as [
    keyof Settings,
    Variable<never>,
  ][]) {
    shown[variable.name] = showValue(variable, settings[field]);
  }
  return shown;
}

/** One variable's value as it may be shown. */
export function shownSetting(field: keyof Settings, value: unknown): Shown {
  return showValue(VARIABLES[field] as Variable<never>, value as Shown);
}

/** Variables that the environment sets, under their names. */
export function fromEnvironment(env: Env): string[] {
  const variables = Object.values(VARIABLES) as Variable<unknown>[];
  return variables.filter((each) => givenText(env, each) !== undefined).map(({ name }) => name);
}

function showValue(variable: Variable<never>, value: Shown): Shown {
  if (variable.secret) return value === '' ? '' : '****';
  if (typeof value === 'string') return redact(value);
  const shown = variable.rule.show?.(value as never) ?? value;
  return Array.isArray(shown) ? shown.map((item: string) => redact(item)) : shown;
}

/**
 * One value a variable; a refused one is reported and replaced by its default, so that checking
 * goes on.
 */
function readSettings(env: Env, problems: string[]): Settings {
  const read = <T>(variable: Variable<T>): T => {
    const given = givenText(env, variable);
    const value = variable.rule.parse(given ?? variable.default);
    if (value !== undefined) return value;
    const got = variable.secret ? 'a value that is not shown' : quote(given ?? variable.default);
    problems.push(`${variable.name}: must be ${variable.rule.text}, got ${got}`);
    return variable.rule.parse(variable.default) as T;
  };
  const entries = Object.entries(VARIABLES).map(([field, variable]) => [
    field,
    read<unknown>(variable),
  ]);
  return Object.fromEntries(entries) as Settings;
}

/** Values that are right alone and wrong together. */
function conflicts(settings: Settings): string[] {
  const problems: string[] = [];
  if (settings.allowCredentials && settings.allowedOrigins.includes('*')) {
    problems.push('ALLOW_CREDENTIALS: must be false while ALLOWED_ORIGINS is *, got "true"');
  }
  if ((settings.tlsCertFile === '') !== (settings.tlsKeyFile === '')) {
    const [missing, given] =
      settings.tlsKeyFile === ''
        ? ['TLS_KEY_FILE', 'TLS_CERT_FILE']
        : ['TLS_CERT_FILE', 'TLS_KEY_FILE'];
    problems.push(`${missing}: must be set together with ${given}, got ""`);
  }
  if (settings.keyCooldownMaxMs < settings.keyCooldownMs) {
    const shown = settings.keyCooldownMaxMs / 1000;
    problems.push(`KEY_COOLDOWN_MAX: must not be less than KEY_COOLDOWN, got "${shown}"`);
  }
  if (settings.stateFile !== '' && resolve(settings.stateFile) === resolve(settings.keysFile)) {
    problems.push('STATE_FILE: must not be the key file, which it would overwrite');
  }
  if (settings.fleetUrl !== '' && settings.fleetSecret === '' && settings.authKey === '') {
    problems.push('FLEET_SECRET: must be set when FLEET_URL is set and AUTH_KEY is not, got ""');
  }
  return problems;
}

/** What was set, trimmed; undefined when nothing was. */
function givenText(env: Env, variable: Variable<unknown>): string | undefined {
  const names = variable.alias === undefined ? [variable.name] : [variable.alias, variable.name];
  return names.map((name) => env[name]?.trim()).find((text) => text !== undefined && text !== '');
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
