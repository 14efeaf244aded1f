// Requests: the latest ones as they finish, each with its attempts and whose fault they were. The
// list scrolls through ten thousand rows, of which only the visible ones are rendered.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { grouped, span } from './format.ts';
import { askJson, language, pause, t, whole } from './state.tsx';

interface Attempt {
  readonly key: string;
  readonly upstream: string;
  readonly status: number | null;
  readonly verdict: string;
  readonly reason?: string;
  readonly rule?: string;
  readonly ms: number;
}

interface Trail {
  readonly id: string;
  readonly time: string;
  readonly client: string;
  readonly client_name?: string;
  readonly group: string;
  readonly method: string;
  readonly path: string;
  readonly model: string | null;
  readonly status: number;
  readonly error_code?: string;
  readonly ended?: string;
  readonly total_ms: number;
  readonly waited_ms?: number;
  readonly tokens?: { readonly input: number; readonly output: number };
  readonly attempts: readonly Attempt[];
}

const MAX_TRAILS = 10_000;
const ROW = 34;
const EVERY_MS = 2_000;

/** Requests are not remembered at all. */
const NOT_KEPT: readonly Trail[] = [];

/** The last requests, newest first, growing as they come. */
function useTrails(query: string): readonly Trail[] | undefined {
  const [trails, setTrails] = useState<readonly Trail[] | undefined>(undefined);
  useEffect(() => {
    let isOver = false;
    const run = async () => {
      let known: readonly Trail[] = [];
      while (!isOver) {
        if (!document.hidden) {
          const since =
            known[0] === undefined ? '' : `&since_id=${encodeURIComponent(known[0].id)}`;
          try {
            const answer = await askJson<{ requests: readonly Trail[]; enabled?: false }>(
              `/requests?limit=${known.length === 0 ? MAX_TRAILS : 1_000}${query}${since}`,
            );
            const ids = new Set(known.slice(0, 1_000).map(({ id }) => id));
            const fresh = answer.requests.filter(({ id }) => !ids.has(id));
            fresh.sort((a, b) => b.time.localeCompare(a.time));
            known = [...fresh, ...known].slice(0, MAX_TRAILS);
            if (!isOver) setTrails(answer.enabled === false ? NOT_KEPT : known);
          } catch {
            if (!isOver && known.length === 0) setTrails([]);
          }
        }
        await pause(EVERY_MS);
      }
    };
    void run();
    return () => {
      isOver = true;
    };
  }, [query]);
  return trails;
}

export function RequestsView() {
  const [text, setText] = useState('');
  const [onlyErrors, setOnlyErrors] = useState(false);
  const [open, setOpen] = useState<Trail | undefined>(undefined);
  const trails = useTrails('');
  const shown = useMemo(() => {
    const wanted = text.toLowerCase();
    return (trails ?? []).filter((trail) => {
      if (onlyErrors && trail.status > 0 && trail.status < 400 && trail.ended === undefined)
        return false;
      if (wanted === '') return true;
      const { id, client, client_name, group, model, path, status } = trail;
      return `${id} ${client} ${client_name} ${group} ${model} ${path} ${status}`
        .toLowerCase()
        .includes(wanted);
    });
  }, [trails, text, onlyErrors]);
  return (
    <>
      <div class="tools">
        <label class="wide">
          <span class="unseen">{t('filter')}</span>
          <input
            type="search"
            placeholder={t('filter')}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={onlyErrors}
            onChange={(event) => setOnlyErrors(event.currentTarget.checked)}
          />
          {t('onlyErrors')}
        </label>
      </div>
      {whole.value?.instance !== undefined && (
        <p class="empty">{t('onlyOf', { name: whole.value.instance })}</p>
      )}
      {trails === undefined && <p class="empty">{t('loading')}</p>}
      {trails !== undefined && shown.length === 0 && (
        <p class="empty">{t(trails === NOT_KEPT ? 'requestsNotKept' : 'noRequests')}</p>
      )}
      {shown.length > 0 && <TrailList trails={shown} open={setOpen} />}
      {open !== undefined && <TrailDetails trail={open} close={() => setOpen(undefined)} />}
    </>
  );
}

function TrailList({ trails, open }: { trails: readonly Trail[]; open: (trail: Trail) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const height = box.current?.clientHeight ?? 600;
  const first = Math.max(0, Math.floor(top / ROW) - 5);
  const last = Math.min(trails.length, Math.ceil((top + height) / ROW) + 5);
  return (
    <div
      class="virtual"
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={t('requests')}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <ul style={{ height: `${trails.length * ROW}px` }}>
        {trails.slice(first, last).map((trail, i) => (
          <li key={trail.id} style={{ top: `${(first + i) * ROW}px` }}>
            <button type="button" class="trail" onClick={() => open(trail)}>
              <span class="time">{trail.time.slice(11, 19)}</span>
              <span class={`status ${isGood(trail) ? 'good' : 'dead'}`}>{trail.status || '–'}</span>
              <span class="cut">{trail.model ?? `${trail.method} ${trail.path}`}</span>
              <span class="cut side">{trail.client_name ?? trail.client}</span>
              <span class="side number">
                {trail.tokens === undefined
                  ? ''
                  : grouped(trail.tokens.input + trail.tokens.output)}
              </span>
              <span class="number">{span(trail.total_ms, language.value)}</span>
              <span class="number">×{trail.attempts.length}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function isGood({ status, ended }: Trail): boolean {
  return status > 0 && status < 400 && ended === undefined;
}

function TrailDetails({ trail, close }: { trail: Trail; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const facts: readonly (readonly [string, string])[] = [
    [t('time'), trail.time],
    [t('client'), trail.client_name ?? trail.client],
    [t('group'), trail.group],
    [t('model'), trail.model ?? ''],
    [t('status'), `${trail.status} ${trail.error_code ?? ''} ${trail.ended ?? ''}`],
    [t('duration'), span(trail.total_ms, language.value)],
  ];
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="trail-title">
      <h2 id="trail-title" class="code">
        {trail.method} {trail.path}
      </h2>
      <dl>
        {facts
          .filter(([, value]) => value.trim() !== '')
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      <h3>{t('attempts')}</h3>
      <ol class="attempts">
        {trail.attempts.map((attempt, at) => (
          <li key={at}>
            <i class={`dot ${attempt.verdict === 'success' ? 'good' : 'dead'}`} />
            <span class="code">{attempt.key}</span> {attempt.upstream}
            <p>
              {attempt.status ?? '–'} · {attempt.verdict} {attempt.reason ?? ''}{' '}
              {attempt.rule === undefined ? '' : `[${attempt.rule}]`} ·{' '}
              {span(attempt.ms, language.value)}
            </p>
          </li>
        ))}
      </ol>
      <p class="pager">
        <span class="code">{trail.id}</span>
        <button type="button" class="main" onClick={close}>
          {t('close')}
        </button>
      </p>
    </dialog>
  );
}
