// `serve`, loaded when it is first wanted: commands that talk to a server do without it. In the
// program that only serves, the bundler puts serve.ts itself in the place of this file.

import type { Config } from '../config/config.ts';
import type { ServeRuntime } from './serve.ts';

export async function serve(config: Config, runtime: ServeRuntime): Promise<number> {
  return (await import('./serve.ts')).serve(config, runtime);
}
