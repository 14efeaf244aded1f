// Usage: who used what, by day or hour, also as a CSV file.

import { useMemo, useState } from 'preact/hooks';
import { grouped } from './format.ts';
import { useLoaded, Waiting } from './loaded.tsx';
import { ask, t } from './state.tsx';
import type { Word } from './words-en.ts';

interface Answer {
  readonly rows: readonly Row[];
  readonly fleet?: 'connected' | 'away';
  readonly instances?: readonly string[];
}
type Row = Readonly<Record<string, string | number | undefined>>;

const DIMENSIONS = ['client', 'group', 'model', 'key'] as const;
const NUMBERS: readonly (readonly [string, Word])[] = [
  ['requests', 'requests'],
  ['failed', 'failedCount'],
  ['unknown', 'unknown'],
  ['input_tokens', 'input'],
  ['cached_tokens', 'cached'],
  ['output_tokens', 'output'],
];
/** Rows of the table; the file has all of them. */
const MAX_ROWS = 500;

export function UsageView() {
  const [by, setBy] = useState<'day' | 'hour'>('day');
  const [since, setSince] = useState('7d');
  const [dimensions, setDimensions] = useState<readonly string[]>(['model']);
  const [instance, setInstance] = useState('');
  const of = instance === '' ? '' : `&instance=${encodeURIComponent(instance)}`;
  const query = `by=${by}&from=${since}&group_by=${dimensions.join(',')}${of}`;
  const loaded = useLoaded<Answer>(`/usage?${query}`, 10_000);
  const { fleet, instances = [] } = loaded.value ?? {};
  // One that was chosen stays among them.
  const names = useMemo(() => new Set<string>(), []);
  for (const name of instances) names.add(name);
  const rows = loaded.value?.rows ?? [];
  const hasCost = rows.some((row) => row.cost_usd !== undefined);
  const total = (name: string) => rows.reduce((sum, row) => sum + Number(row[name] ?? 0), 0);
  const download = async () => {
    const answer = await ask(`/usage?${query}`, { headers: { accept: 'text/csv' } });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await answer.blob());
    link.download = 'usage.csv';
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <>
      <div class="tools">
        <label>
          {t('by')}
          <select
            value={by}
            onChange={(event) => setBy(event.currentTarget.value as 'day' | 'hour')}
          >
            <option value="day">{t('day')}</option>
            <option value="hour">{t('hour')}</option>
          </select>
        </label>
        <label>
          {t('time')}
          <select value={since} onChange={(event) => setSince(event.currentTarget.value)}>
            {['1d', '7d', '30d', '90d'].map((days) => (
              <option key={days}>{days}</option>
            ))}
          </select>
        </label>
        {fleet !== undefined && (
          <label>
            {t('instance')}
            <select value={instance} onChange={(event) => setInstance(event.currentTarget.value)}>
              <option value="">{t('all')}</option>
              {[...names].sort().map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        <div class="choice" role="group" aria-label={t('by')}>
          {DIMENSIONS.map((name) => (
            <button
              type="button"
              key={name}
              aria-pressed={dimensions.includes(name)}
              onClick={() =>
                setDimensions(
                  dimensions.includes(name)
                    ? dimensions.filter((one) => one !== name)
                    : [...dimensions, name],
                )
              }
            >
              {t(name)}
            </button>
          ))}
        </div>
        <button type="button" onClick={() => void download()}>
          {t('csv')}
        </button>
      </div>
      <Waiting loaded={loaded} />
      {fleet === 'away' && <p role="alert">{t('fleetAway', { name: instances.join(', ') })}</p>}
      {loaded.value !== undefined && rows.length === 0 && <p class="empty">{t('noUsage')}</p>}
      {rows.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={t('usage')}>
          <table class="rows">
            <thead>
              <tr>
                <th scope="col">{t(by)}</th>
                {dimensions.map((name) => (
                  <th scope="col" key={name}>
                    {t(name as Word)}
                  </th>
                ))}
                {NUMBERS.map(([name, word]) => (
                  <th scope="col" class="number" key={name}>
                    {t(word)}
                  </th>
                ))}
                {hasCost && (
                  <th scope="col" class="number">
                    {t('cost')}
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {rows.slice(-MAX_ROWS).map((row) => (
                <tr key={`${row.start} ${dimensions.map((name) => row[name]).join(' ')}`}>
                  <td>
                    {String(row.start)
                      .slice(0, by === 'day' ? 10 : 16)
                      .replace('T', ' ')}
                  </td>
                  {dimensions.map((name) => (
                    <td key={name}>{row[name] || '–'}</td>
                  ))}
                  {NUMBERS.map(([name]) => (
                    <td class="number" key={name}>
                      {grouped(Number(row[name] ?? 0))}
                    </td>
                  ))}
                  {hasCost && <td class="number">{Number(row.cost_usd ?? 0).toFixed(4)}</td>}
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row">{t('total')}</th>
                {dimensions.map((name) => (
                  <td key={name} />
                ))}
                {NUMBERS.map(([name]) => (
                  <td class="number" key={name}>
                    {grouped(total(name))}
                  </td>
                ))}
                {hasCost && <td class="number">{total('cost_usd').toFixed(4)}</td>}
              </tr>
            </tfoot>
          </table>
        </div>
      )}
    </>
  );
}
