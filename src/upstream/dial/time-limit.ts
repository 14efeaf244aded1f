// A time limit for one step of connecting, joined with the caller's own wish to stop.
// Connections are opened seldom; the limits of requests are deadlines.ts.

/**
 * Aborts when the time is up or the outer signal aborts; disposing it takes timer and listener
 * away.
 */
export function timeLimit(
  outer: AbortSignal | undefined,
  limitMs: number,
  what: string,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const onTime = (): void => {
    const error = new Error(`${what} took longer than ${limitMs} ms`);
    controller.abort(Object.assign(error, { code: 'ETIMEDOUT' }));
  };
  const onOuter = (): void => controller.abort(new Error(`${what} was cancelled`));
  const timer = setTimeout(onTime, limitMs);
  if (outer?.aborted === true) onOuter();
  outer?.addEventListener('abort', onOuter, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onOuter);
    },
  };
}

/** Work that cannot be cancelled, awaited until the signal aborts. */
export function within<T>(work: Promise<T | Error>, signal: AbortSignal): Promise<T | Error> {
  return new Promise((resolve) => {
    const onAbort = (): void => resolve(signal.reason as Error);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then((result) => {
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    });
  });
}
