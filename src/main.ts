// From the command line to one command and an exit code: the only reader of process.env and
// process.argv. Picks the command and reports bad configuration; everything else is up to the
// commands.

import { existsSync } from 'node:fs';
import { checkConfig } from './cli/check-config.ts';
import { type CommandLine, readCommandLine } from './cli/command-line.ts';
import type { CommandRuntime } from './cli/command-runtime.ts';
import { isCommand, type Shell } from './cli/command-table.ts';
import { helpText } from './cli/help.ts';
import { identity, identityLine } from './cli/identity.ts';
import { licences } from './cli/licences.ts';
import { processTerminal, type Terminal, wantsColour } from './cli/terminal.ts';
import { type Config, type Env, fileNames, parseConfig } from './config/config.ts';
import { type LoadedEnv, loadEnv } from './config/env-file.ts';
import { readGrouping } from './config/grouping.ts';
import { ConfigError } from './errors.ts';
import { redact } from './policy/redact.ts';
import { serve } from './serve/lazy-serve.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** How long something forgotten may keep the process after its command has ended. */
const EXIT_GRACE_MS = 2000;

/** Runs one command line; resolves to the exit code. */
async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'usage') {
    terminal.complain(`gpt-load: ${line.message}\n`);
    return EXIT_USAGE;
  }
  if (line.values.version) {
    terminal.write(`${identityLine(identity())}\n`);
    return 0;
  }
  if (line.values.licenses) {
    terminal.write(licences(process.argv[1] ?? ''));
    return 0;
  }
  if (line.values.help || line.command === 'help') return showHelp(line, terminal);
  const printed = await printedBy(line);
  if (printed !== undefined) {
    terminal.write(printed);
    return 0;
  }
  try {
    return await run(line, terminal);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const isForPrograms = line.command === 'check-config' && line.values.json === true;
    if (isForPrograms) terminal.write(`${JSON.stringify({ problems: error.problems }, null, 2)}\n`);
    else for (const problem of error.problems) terminal.complain(`${problem}\n`);
    return EXIT_FAILED;
  }
}

/** What commands print that need no configuration: a bad one does not keep them from it. */
async function printedBy({ command, values, rest }: CommandLine): Promise<string | undefined> {
  switch (command) {
    case 'version': {
      const own = identity();
      return values.json === true ? `${JSON.stringify(own)}\n` : `${identityLine(own)}\n`;
    }
    case 'man':
      return (await import('./cli/manual.ts')).manualPage(identity().version);
    case 'completion':
      return (await import('./cli/completion.ts')).completionScript(rest[0] as Shell);
    default:
      return undefined;
  }
}

/** Each command is loaded by itself: a server never pays the megabytes that the others need. */
async function run({ command, values, rest }: CommandLine, terminal: Terminal): Promise<number> {
  const loaded = loadEnv(process.env, process.cwd(), text(values['env-file']));
  const config = configOf(loaded.env, command);
  const runtime = runtimeOf(loaded, terminal);
  const json = values.json === true;
  switch (command) {
    case 'serve':
      return serve(config, runtime);
    case 'demo':
      return (await import('./cli/demo.ts')).demo(config, runtime, {
        groups: values.groups === true,
      });
    case 'check-config':
      return checkConfig({ json }, config, runtime);
    case 'validate-keys':
      return (await import('./cli/validate/validate-keys.ts')).validateKeys(
        values,
        config,
        runtime,
      );
    case 'health':
    case 'stats':
    case 'blacklist':
    case 'fleet':
    case 'reset-keys': {
      const { client } = await import('./cli/client.ts');
      return client(command, { url: text(values.url), json }, config, terminal);
    }
    case 'usage': {
      const { client } = await import('./cli/client.ts');
      const { usageQuery } = await import('./cli/usage-view.ts');
      const csv = values.csv === true;
      const { by, 'group-by': groupBy, since, instance } = textsOf(values);
      const query = usageQuery({ by, groupBy, since, instance, csv });
      return client(command, { url: text(values.url), json, query, plain: csv }, config, terminal);
    }
    case 'requests': {
      const { requests } = await import('./cli/requests.ts');
      const { url, limit, client, group, model, status } = textsOf(values);
      const filters = { limit, client, group, model, status };
      return requests({ url, json, follow: values.follow === true, filters }, config, terminal);
    }
    case 'top': {
      const { top } = await import('./cli/top.ts');
      return top({ url: text(values.url), count: text(values.count) }, config, terminal);
    }
    case 'why': {
      const { why } = await import('./cli/requests.ts');
      return why(rest[0] ?? '', { url: text(values.url), json }, config, terminal);
    }
    case 'alert-test': {
      const { alertTest } = await import('./cli/alert-test.ts');
      return alertTest(config, terminal);
    }
    case 'help':
    case 'version':
    case 'man':
    case 'completion':
      return 0;
  }
}

/** A key file that is missing is told together with the values that are wrong. */
function configOf(env: Env, command: CommandLine['command']): Config {
  try {
    return parseConfig(env);
  } catch (error) {
    const needsKeys = command === 'serve' || command === 'check-config';
    if (!(error instanceof ConfigError) || !needsKeys) throw error;
    const { keysFile, configFile } = fileNames(env);
    const isThere = existsSync(keysFile) || existsSync(configFile);
    const missing = isThere
      ? []
      : [`KEYS_FILE: must be a readable file, got "${keysFile}" (ENOENT)`];
    throw new ConfigError([...error.problems, ...missing]);
  }
}

function runtimeOf({ env, file, warnings }: LoadedEnv, terminal: Terminal): CommandRuntime {
  return {
    terminal,
    colour: terminal.colour === true,
    identity: identity(),
    envFile: file,
    env,
    readGrouping: (config) => readGrouping(config, env),
    warnings,
    activation: { listenFds: env.LISTEN_FDS, listenPid: env.LISTEN_PID, pid: process.pid },
  };
}

function showHelp({ command, named, rest }: CommandLine, terminal: Terminal): number {
  const topic = command === 'help' ? rest[0] : named ? command : undefined;
  if (topic !== undefined && !isCommand(topic)) {
    terminal.complain(`gpt-load: unknown command "${topic}" (see gpt-load --help)\n`);
    return EXIT_USAGE;
  }
  terminal.write(helpText(topic));
  return 0;
}

function textsOf(values: CommandLine['values']): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, text(value)]));
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The process ends when nothing is left to do; a timer sees to it that it does end. */
function end(code: number): void {
  process.exitCode = code;
  setTimeout(() => {
    // A file system that hangs keeps a thread, and exit() would wait for it: the signal that asks
    // for the end does not.
    const hangs = process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'));
    if (hangs) process.kill(process.pid, 'SIGTERM');
    process.exit(code);
  }, EXIT_GRACE_MS).unref();
}

const colour = wantsColour(process.env, process.stdout);
main(process.argv.slice(2), processTerminal(colour)).then(end, (error: unknown) => {
  const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.error(`gpt-load: internal error: ${redact(told)}`);
  end(EXIT_FAILED);
});
