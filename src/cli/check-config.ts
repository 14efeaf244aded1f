// `gpt-load check-config`: what is in force, without secrets, and whether the files that it names
// can be read. Whether the values themselves are right was decided by parseConfig before.

import { accessSync, constants } from 'node:fs';
import { type Config, effectiveConfig, type Shown } from '../config/config.ts';
import { SECTIONS, VARIABLES } from '../config/variables.ts';
import type { CommandRuntime } from './command-runtime.ts';

/** Exit code: 0 fine, 1 a file that is named cannot be read. */
export async function checkConfig(
  options: { readonly json: boolean },
  config: Config,
  { terminal, envFile, warnings }: CommandRuntime,
): Promise<number> {
  const values = effectiveConfig(config);
  if (options.json) terminal.write(`${JSON.stringify(values, null, 2)}\n`);
  else terminal.write(envText(values, envFile));
  for (const warning of warnings) terminal.complain(`${warning}\n`);
  const problems = unreadable(config);
  for (const problem of problems) terminal.complain(`${problem}\n`);
  return problems.length === 0 ? 0 : 1;
}

/** As a .env file; what differs from its default says so. */
function envText(values: Readonly<Record<string, Shown>>, envFile: string | undefined): string {
  const lines = [envFile === undefined ? '# no .env file' : `# environment and ${envFile}`];
  for (const { title, fields } of SECTIONS) {
    lines.push('', `# ${title.en}`);
    for (const field of fields) {
      const { name, default: standard } = VARIABLES[field];
      const text = String(values[name]);
      const shown = /^[^\s#'"`]*$/.test(text) ? text : JSON.stringify(text);
      const differs = text !== standard && field !== 'stateFile';
      lines.push(`${name}=${shown}${differs ? `  # default: ${standard || 'none'}` : ''}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function unreadable(config: Config): string[] {
  const files = [
    ['KEYS_FILE', config.keysFile],
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
