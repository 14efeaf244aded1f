// How this proxy itself reports failure: bad configuration, and the JSON errors that it sends. What
// to answer, and when, is decided elsewhere; an upstream's errors are relayed as they came and
// never pass through here.

/** Configuration that cannot be used. Carries every problem found, one line each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * An error body in the shape of OpenAI's API reference ("Error codes"), which every OpenAI SDK
 * understands. `type` is the family (`invalid_request_error`, `server_error`...), `code` the stable
 * id of this very case.
 */
export function errorBody(message: string, type: string, code: string): string {
  return JSON.stringify({ error: { message, type, param: null, code } });
}
