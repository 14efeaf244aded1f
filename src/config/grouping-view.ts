// Groups and clients as they may be shown: every setting of a group with its value, in the units of
// its variable, and where it comes from; of clients, what they may do and nothing that is a secret.

import { redact } from '../policy/redact.ts';
import { type Shown, shownSetting } from './config.ts';
import { GROUP_FIELDS } from './group-settings.ts';
import { type ClientConfig, type GroupConfig, type Grouping, settingName } from './grouping.ts';

export interface ShownSetting {
  readonly value: Shown | Readonly<Record<string, string>>;
  readonly origin: string;
}

export interface ShownGroup {
  readonly name: string;
  readonly settings: Readonly<Record<string, ShownSetting>>;
}

export interface ShownClient {
  readonly name: string;
  readonly groups?: readonly string[];
  readonly models?: readonly string[];
  readonly rpm?: number;
  readonly concurrency?: number;
  readonly tokens_per_day?: number;
}

/** All that may be told of the groups and clients in force. */
export interface ShownGrouping {
  /** The file that they come from; null: there is none. */
  readonly config_file: string | null;
  readonly groups: readonly ShownGroup[];
  readonly clients: readonly ShownClient[];
  /** Variables by where they come from: `environment`; all others have their defaults. */
  readonly from_environment: readonly string[];
}

/** A header's value that is some credential is not shown. */
const SECRET_FIELD = /auth|key|token|secret|cookie|password/i;

export function shownGrouping({ file, groups, clients, fromEnvironment }: Grouping): ShownGrouping {
  return {
    config_file: file ?? null,
    groups: groups.map(shownGroup),
    clients: clients.map(shownClient),
    from_environment: fromEnvironment,
  };
}

function shownGroup({ name, settings, origins }: GroupConfig): ShownGroup {
  const headers = settings.setHeaders.flatMap((field, i) => {
    if (i % 2 === 1) return [];
    const value = settings.setHeaders[i + 1] ?? '';
    return [[field, SECRET_FIELD.test(field) ? '****' : redact(value)] as const];
  });
  const set = new Set(headers.map(([field]) => field.toLowerCase()));
  const values: Record<string, ShownSetting['value']> = {
    ...Object.fromEntries(
      GROUP_FIELDS.map((field) => [settingName(field), shownSetting(field, settings[field])]),
    ),
    models: settings.models,
    fallback: settings.fallback,
    alias: Object.fromEntries(settings.alias),
    set_headers: Object.fromEntries(headers),
    remove_headers: settings.removeHeaders.filter((field) => !set.has(field)),
  };
  const shown = Object.entries(values).map(([setting, value]) => {
    return [setting, { value, origin: origins[setting] ?? 'default' }] as const;
  });
  return { name, settings: Object.fromEntries(shown) };
}

function shownClient(client: ClientConfig): ShownClient {
  const { name, groups, models, rpm, concurrency, tokensPerDay } = client;
  return {
    name,
    ...(groups === undefined ? {} : { groups }),
    ...(models === undefined ? {} : { models }),
    ...(rpm === 0 ? {} : { rpm }),
    ...(concurrency === 0 ? {} : { concurrency }),
    ...(tokensPerDay === 0 ? {} : { tokens_per_day: tokensPerDay }),
  };
}
