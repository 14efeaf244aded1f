// Keys: how many are in which state over the whole file, and individual ones with the reason, the
// end of their state and the actions for them.

import { useEffect, useRef, useState } from 'preact/hooks';
import { grouped } from './format.ts';
import { useLoaded, Waiting } from './loaded.tsx';
import { relative } from './overview.tsx';
import { act, live, t } from './state.tsx';
import type { Word } from './words-en.ts';

interface KeyRow {
  readonly row: number;
  readonly life: number;
  readonly preview: string;
  readonly name: string;
  readonly state: 'healthy' | 'resting' | 'blacklisted' | 'at_limit';
  readonly reason: string;
  readonly explanation: string;
  readonly until: number | null;
  readonly served: number;
  readonly failures: number;
  readonly tokens: number;
  readonly weight: number;
  readonly tier: number;
  readonly upstream: string | null;
  readonly limits: readonly { kind: string; limit: number; used: number }[];
}

interface KeyPage {
  readonly rows: readonly KeyRow[];
  readonly next: number | null;
  readonly grid: { readonly size: number; readonly cells: readonly (readonly number[])[] };
}

const STATES = ['', 'healthy', 'resting', 'at_limit', 'blacklisted'] as const;
const PAGE = 100;
const NUMBERS: ReadonlySet<string> = new Set(['served', 'failures', 'tokens']);

export function KeysView() {
  const groups = live.value?.groups.map(({ name }) => name) ?? [];
  const [group, setGroup] = useState('');
  const [state, setState] = useState('');
  const [text, setText] = useState('');
  const [from, setFrom] = useState<readonly number[]>([0]);
  const [isAdding, setAdding] = useState(false);
  const [said, setSaid] = useState('');
  const query = new URLSearchParams({
    group,
    state,
    q: text,
    from: String(from.at(-1) ?? 0),
    limit: String(PAGE),
  });
  const loaded = useLoaded<KeyPage>(`/dashboard/keys?${query}`, 5_000);
  const reset = (set: () => void) => {
    set();
    setFrom([0]);
  };
  const page = loaded.value;
  const doIt = async (action: string, row: KeyRow) => {
    const { ok, message } = await act({ action, group: groupName, row: row.row, life: row.life });
    setSaid(`${row.preview}: ${ok ? '' : '⚠ '}${message}`);
    loaded.again();
  };
  const groupName = group || (groups[0] ?? '');
  return (
    <>
      <div class="tools">
        <label>
          {t('group')}
          <select
            value={groupName}
            onChange={(event) => reset(() => setGroup(event.currentTarget.value))}
          >
            {groups.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          {t('state')}
          <select
            value={state}
            onChange={(event) => reset(() => setState(event.currentTarget.value))}
          >
            {STATES.map((name) => (
              <option key={name} value={name}>
                {t((name || 'all') as Word)}
              </option>
            ))}
          </select>
        </label>
        <label class="wide">
          <span class="unseen">{t('search')}</span>
          <input
            type="search"
            placeholder={t('search')}
            value={text}
            onInput={(event) => reset(() => setText(event.currentTarget.value))}
          />
        </label>
        <button type="button" class="main" onClick={() => setAdding(true)}>
          {t('addKeys')}
        </button>
      </div>
      <p class="said" role="status">
        {said}
      </p>
      {page !== undefined && <Grid grid={page.grid} />}
      <Waiting loaded={loaded} />
      {page !== undefined && page.rows.length === 0 && <p class="empty">{t('noKeys')}</p>}
      {page !== undefined && page.rows.length > 0 && <KeyTable rows={page.rows} doIt={doIt} />}
      <p class="pager">
        {from.length > 1 && (
          <button type="button" onClick={() => setFrom(from.slice(0, -1))}>
            ←
          </button>
        )}
        {page !== undefined && page.next !== null && (
          <button type="button" onClick={() => setFrom([...from, page.next ?? 0])}>
            {t('more')} →
          </button>
        )}
      </p>
      {isAdding && (
        <AddKeys
          group={groupName}
          close={(message) => {
            setAdding(false);
            if (message !== '') setSaid(message);
            loaded.again();
          }}
        />
      )}
    </>
  );
}

function Grid({ grid }: { grid: KeyPage['grid'] }) {
  return (
    <div class="grid" role="img" aria-label={t('keys')}>
      {grid.cells.map(([healthy = 0, resting = 0, blacklisted = 0], at) => {
        const all = Math.max(1, healthy + resting + blacklisted);
        const worst = blacklisted > 0 ? 'dead' : resting > 0 ? 'rest' : 'good';
        const share = worst === 'good' ? 1 : (all - healthy) / all;
        const words = { size: grouped(grid.size), healthy, resting, blacklisted };
        return (
          <i
            key={at}
            class={worst}
            style={{ opacity: 0.35 + 0.65 * share }}
            title={t('gridHint', words)}
          />
        );
      })}
    </div>
  );
}

function KeyTable(props: {
  rows: readonly KeyRow[];
  doIt: (action: string, row: KeyRow) => Promise<void>;
}) {
  const { rows, doIt } = props;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t('keys')}>
      <table class="rows">
        <thead>
          <tr>
            {(
              [
                'key',
                'name',
                'state',
                'why',
                'until',
                'served',
                'failures',
                'tokens',
                'limits',
              ] as const
            ).map((word) => (
              <th scope="col" key={word} class={NUMBERS.has(word) ? 'number' : undefined}>
                {t(word)}
              </th>
            ))}
            <th scope="col">
              <span class="unseen">{t('details')}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((key) => (
            <tr key={`${key.row}:${key.life}`}>
              <td class="code">{key.preview}</td>
              <td>{key.name}</td>
              <td>
                <i class={`dot ${DOTS[key.state]}`} /> {t(key.state)}
              </td>
              <td title={key.explanation}>{key.reason}</td>
              <td>{key.until === null ? '' : relative(key.until)}</td>
              <td class="number">{grouped(key.served)}</td>
              <td class="number">{grouped(key.failures)}</td>
              <td class="number">{grouped(key.tokens)}</td>
              <td>
                {key.limits.map(({ kind, limit, used }) => `${kind} ${used}/${limit}`).join(', ')}
              </td>
              <td class="buttons">
                <button type="button" onClick={() => void doIt('probe', key)}>
                  {t('probe')}
                </button>
                {key.state === 'blacklisted' || key.state === 'resting' ? (
                  <button type="button" onClick={() => void doIt('release', key)}>
                    {t('release')}
                  </button>
                ) : (
                  <button type="button" onClick={() => void doIt('blacklist', key)}>
                    {t('blacklist')}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const DOTS = { healthy: 'good', resting: 'rest', at_limit: 'rest', blacklisted: 'dead' } as const;

function AddKeys({ group, close }: { group: string; close: (message: string) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [problem, setProblem] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  const add = async (event: Event) => {
    event.preventDefault();
    const { ok, message } = await act({ action: 'add', group, text });
    if (ok) close(message);
    else setProblem(message);
  };
  return (
    <dialog ref={dialog} onClose={() => close('')} aria-labelledby="add-title">
      <form onSubmit={add}>
        <h2 id="add-title">
          {t('addKeys')}: {group}
        </h2>
        <p id="add-hint">{t('addHint')}</p>
        <textarea
          rows={8}
          spellcheck={false}
          autocomplete="off"
          aria-label={t('addKeys')}
          aria-describedby="add-hint"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <p class="problem" role="alert">
          {problem}
        </p>
        <p class="pager">
          <button type="button" onClick={() => close('')}>
            {t('close')}
          </button>
          <button type="submit" class="main" disabled={text.trim() === ''}>
            {t('add')}
          </button>
        </p>
      </form>
    </dialog>
  );
}
