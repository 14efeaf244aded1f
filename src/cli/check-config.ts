// `gpt-load check-config`: the effective configuration, without secrets, and whether the files that
// it names can be used. The values themselves have already been checked by parseConfig.

import { accessSync, constants } from 'node:fs';
import { type Config, effectiveConfig, type Shown } from '../config/config.ts';
import { DEFAULT_GROUP } from '../config/group-settings.ts';
import type { Grouping } from '../config/grouping.ts';
import { type ShownGrouping, shownGrouping } from '../config/grouping-view.ts';
import { SECTIONS, VARIABLES } from '../config/variables.ts';
import { hostFault } from '../front/listen-address.ts';
import type { CommandRuntime } from './command-runtime.ts';
import { checkKeyFiles } from './limit-sums.ts';

/** Exit code: 0 fine, 1 a file that is named cannot be read. */
export async function checkConfig(
  options: { readonly json: boolean },
  config: Config,
  { terminal, envFile, warnings, readGrouping }: CommandRuntime,
): Promise<number> {
  const values = effectiveConfig(config);
  const grouping = await readGrouping(config);
  const shown = shownGrouping(grouping);
  const { from_environment: set } = shown;
  const found = await checkKeyFiles(grouping);
  const problems = [
    ...(await unusableHost(config)),
    ...unreadable(config, grouping),
    ...found.problems,
  ];
  const told = [...warnings, ...found.warnings];
  if (options.json) {
    const report = { ...values, ...shown, problems, warnings: told };
    terminal.write(`${JSON.stringify(report, null, 2)}\n`);
    return problems.length === 0 ? 0 : 1;
  }
  terminal.write(envText(values, set, envFile));
  if (grouping.file !== undefined) terminal.write(groupingText(shown));
  for (const line of [...told, ...problems]) terminal.complain(`${line}\n`);
  return problems.length === 0 ? 0 : 1;
}

/** As a .env file; what the environment sets says so, and what differs from its default. */
function envText(
  values: Readonly<Record<string, Shown>>,
  set: readonly string[],
  envFile: string | undefined,
): string {
  const lines = [envFile === undefined ? '# no .env file' : `# environment and ${envFile}`];
  for (const { title, fields } of SECTIONS) {
    lines.push('', `# ${title.en}`);
    for (const field of fields) {
      const { name, default: standard } = VARIABLES[field];
      const text = String(values[name]);
      const shown = /^[^\s#'"`]*$/.test(text) ? text : JSON.stringify(text);
      const differs = text !== standard && field !== 'stateFile';
      const origin = set.includes(name) ? 'environment' : 'default';
      const note = differs ? `${origin}; default: ${standard || 'none'}` : origin;
      lines.push(`${name}=${shown}  # ${note}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** As gpt-load.toml, each setting with its origin; of clients what they may do. */
function groupingText({ config_file, groups, clients }: ShownGrouping): string {
  const lines = ['', `# groups and clients from ${config_file}`];
  for (const { name, settings } of groups) {
    lines.push('', `[group.${name}]`);
    for (const [setting, { value, origin }] of Object.entries(settings)) {
      lines.push(`${setting} = ${tomlText(value)}  # ${origin}`);
    }
  }
  for (const { name, ...bounds } of clients) {
    lines.push('', `[client.${name}]`, 'key = "****"');
    for (const [bound, value] of Object.entries(bounds)) {
      lines.push(`${bound} = ${tomlText(value)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function tomlText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(tomlText).join(', ')}]`;
  const pairs = Object.entries(value).map(([name, held]) => {
    return `${JSON.stringify(name)} = ${tomlText(held)}`;
  });
  return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`;
}

async function unusableHost({ host }: Config): Promise<string[]> {
  const fault = host.startsWith('unix:') ? undefined : await hostFault(host);
  if (fault === undefined) return [];
  return [`HOST: must be an address or host name of this machine, got "${host}" (${fault})`];
}

function unreadable(config: Config, { groups }: Grouping): string[] {
  const keyFiles = groups.map(({ name, settings }) => {
    const setting = name === DEFAULT_GROUP ? 'KEYS_FILE' : `[group.${name}] keys_file`;
    return [setting, settings.keysFile] as const;
  });
  const files = [
    ...keyFiles,
    ['EXTRA_CA_FILE', config.extraCaFile],
    ['TLS_CERT_FILE', config.tlsCertFile],
    ['TLS_KEY_FILE', config.tlsKeyFile],
  ] as const;
  return files.flatMap(([name, file]) => {
    if (file === '') return [];
    try {
      accessSync(file, constants.R_OK);
      return [];
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      return [`${name}: must be a readable file, got ${JSON.stringify(file)} (${code})`];
    }
  });
}
