// Something that is asked for: loading, there, or failed with a way to try again.

import { useCallback, useEffect, useState } from 'preact/hooks';
import { askJson, t } from './state.tsx';

export interface Loaded<T> {
  readonly value: T | undefined;
  readonly failed: boolean;
  readonly again: () => void;
}

/** Asks when the path changes, and every `everyMs` (0: once) as long as the page is looked at. */
export function useLoaded<T>(path: string, everyMs = 0): Loaded<T> {
  const [value, setValue] = useState<T | undefined>(undefined);
  const [failed, setFailed] = useState(false);
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((n) => n + 1), []);
  useEffect(() => {
    let isOld = false;
    const load = () => {
      askJson<T>(path).then(
        (next) => {
          if (isOld) return;
          setValue(next);
          setFailed(false);
        },
        () => {
          if (!isOld) setFailed(true);
        },
      );
    };
    load();
    const timer =
      everyMs === 0
        ? undefined
        : setInterval(() => {
            if (!document.hidden) load();
          }, everyMs);
    return () => {
      isOld = true;
      clearInterval(timer);
    };
  }, [path, round, everyMs]);
  return { value, failed, again };
}

export function Waiting({ loaded }: { loaded: Loaded<unknown> }) {
  if (loaded.failed) {
    return (
      <p class="empty" role="alert">
        {t('failed')}{' '}
        <button type="button" onClick={loaded.again}>
          {t('retry')}
        </button>
      </p>
    );
  }
  return loaded.value === undefined ? <p class="empty">{t('loading')}</p> : null;
}
