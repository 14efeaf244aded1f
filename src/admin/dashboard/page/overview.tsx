// Overview: is all well? Groups with their keys and upstreams, four charts, and what changed lately.

import { useMemo, useState } from 'preact/hooks';
import { Chart } from './chart.tsx';
import { grouped, short, span } from './format.ts';
import {
  type Change,
  changes,
  type LiveGroup,
  language,
  live,
  minutes,
  nowSeconds,
  rate,
  recent,
  t,
} from './state.tsx';
import { EN, type Word } from './words-en.ts';

export function Overview() {
  const [isDay, setDay] = useState(false);
  const points = isDay ? minutes.value : recent.value;
  const step = isDay ? 60 : 5;
  const columns = useMemo(() => {
    const column = (i: number, scale = 1) => {
      return points.map((point) => ((point[i] ?? -1) < 0 ? null : (point[i] ?? 0) / scale));
    };
    return {
      time: column(0),
      requests: column(1, step),
      errors: column(2, step),
      p50: column(3),
      p95: column(4),
      tokens: column(5, step),
    };
  }, [points, step]);
  const requests = useMemo(() => [columns.time, columns.requests, columns.errors], [columns]);
  const latency = useMemo(() => [columns.time, columns.p50, columns.p95], [columns]);
  const tokens = useMemo(() => [columns.time, columns.tokens], [columns]);
  const now = live.value;
  return (
    <>
      <div class="figures">
        <Figure value={rate.value.toFixed(1)} label={t('requestsPerSecond')} />
        <Figure value={grouped(now?.in_flight ?? 0)} label={t('inFlight')} />
        <Figure value={grouped(now?.streams ?? 0)} label={t('streams')} />
        <Figure value={short(now?.requests ?? 0)} label={t('requests')} />
      </div>
      <div class="groups">
        {(now?.groups ?? []).map((group) => (
          <GroupCard key={group.name} group={group} />
        ))}
      </div>
      <div class="choice" role="group" aria-label={t('time')}>
        <button type="button" aria-pressed={!isDay} onClick={() => setDay(false)}>
          {t('lastHour')}
        </button>
        <button type="button" aria-pressed={isDay} onClick={() => setDay(true)}>
          {t('lastDay')}
        </button>
      </div>
      <div class="charts">
        <Chart
          title={t('requestsPerSecond')}
          data={requests}
          series={[
            { label: t('requests'), colour: '--blue' },
            { label: t('errorsPerSecond'), colour: '--red' },
          ]}
        />
        <Chart
          title={t('latency')}
          data={latency}
          format={(ms) => span(ms, language.value)}
          series={[
            { label: 'p50', colour: '--blue' },
            { label: 'p95', colour: '--amber' },
          ]}
        />
        <Chart
          title={t('tokensPerSecond')}
          data={tokens}
          series={[{ label: t('tokens'), colour: '--green' }]}
        />
        <Changes list={changes.value} />
      </div>
    </>
  );
}

function Figure({ value, label }: { value: string; label: string }) {
  return (
    <p class="figure">
      <strong>{value}</strong>
      <span>{label}</span>
    </p>
  );
}

function GroupCard({ group: { name, keys, upstreams } }: { group: LiveGroup }) {
  const isBad = keys.total > 0 && keys.healthy === 0;
  const share = (count: number) => `${keys.total === 0 ? 0 : (100 * count) / keys.total}%`;
  return (
    <section class={`card group ${isBad ? 'bad' : ''}`}>
      <h2>{name}</h2>
      <p class="big">
        <strong>{grouped(keys.healthy)}</strong>{' '}
        <span>{t('of', { total: grouped(keys.total) })}</span> {t('healthy')}
      </p>
      <div class="bar" aria-hidden="true">
        <i class="good" style={{ width: share(keys.healthy) }} />
        <i class="rest" style={{ width: share(keys.resting) }} />
        <i class="dead" style={{ width: share(keys.blacklisted) }} />
      </div>
      <p class="counts">
        <span>
          <i class="dot rest" /> {grouped(keys.resting)} {t('resting')}
        </span>
        <span>
          <i class="dot dead" /> {grouped(keys.blacklisted)} {t('blacklisted')}
        </span>
        {keys.at_limit > 0 && (
          <span>
            {grouped(keys.at_limit)} {t('at_limit')}
          </span>
        )}
      </p>
      <ul class="upstreams" aria-label={t('upstreams')}>
        {upstreams.map(({ href, up, suspect }) => (
          <li key={href}>
            <i class={`dot ${up ? 'good' : 'dead'}`} />
            <span class="cut" title={href}>
              {href}
            </span>
            <em>{suspect ? t('suspect') : up ? t('up') : t('out')}</em>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Changes({ list }: { list: readonly Change[] }) {
  return (
    <section class="card changes">
      <h2>{t('changes')}</h2>
      {list.length === 0 && <p class="empty">{t('noChanges')}</p>}
      <ol>
        {list.toReversed().map((change) => (
          <li key={change.at + change.event + change.group}>
            <time dateTime={change.at}>{relative(Date.parse(change.at) / 1000)}</time>
            <div>
              <strong>{eventText(change)}</strong>
              {change.details.map((line) => (
                <p key={line}>{line}</p>
              ))}
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

function eventText({ event, group, summary }: Change): string {
  const word = `ev_${event}`;
  return word in EN ? t(word as Word, { group }) : summary;
}

/** A time as people say it, ticking. */
export function relative(seconds: number): string {
  const passed = (nowSeconds.value - seconds) * 1000;
  if (Math.abs(passed) < 1_500) return t('now');
  const text = span(Math.abs(passed), language.value);
  return passed > 0 ? t('ago', { t: text }) : t('in', { t: text });
}
