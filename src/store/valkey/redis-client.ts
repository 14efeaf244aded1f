// The client library, when it is first needed: the launcher unpacks the one that the bundler made,
// which is neither unpacked nor parsed without a fleet; from the sources, as npm installed it.

import { compileFunction } from 'node:vm';

/** Given by the launcher (launch.ts): unpacks the library, one CommonJS script. */
declare const __REDIS_CLIENT__: (() => string) | undefined;

type RedisClient = typeof import('@redis/client');

let loaded: RedisClient | undefined;

/** Some 30 ms the first time. */
export async function redisClient(): Promise<RedisClient> {
  loaded ??=
    typeof __REDIS_CLIENT__ === 'function'
      ? run(__REDIS_CLIENT__())
      : await import('@redis/client');
  return loaded;
}

function run(source: string): RedisClient {
  const module = { exports: {} };
  const words = ['module', 'exports', 'require'];
  compileFunction(source, words, { filename: 'redis-client.cjs' })(module, module.exports, builtin);
  return module.exports as RedisClient;
}

/** What it asks for is Node's, or what it can do without. */
function builtin(name: string): unknown {
  const found: unknown = process.getBuiltinModule(name);
  if (found !== undefined) return found;
  throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
}
