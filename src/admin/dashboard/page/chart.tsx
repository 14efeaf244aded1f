// One chart over time by uPlot, and the same numbers as a table for those who cannot see it.

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { clock, short } from './format.ts';
import { t, theme } from './state.tsx';

export interface Series {
  readonly label: string;
  /** A CSS variable of the page. */
  readonly colour: string;
}

/** Rows of the table: a reader's patience. */
const MAX_ROWS = 12;

/** @param data seconds, then a list for each series */
export function Chart(props: {
  title: string;
  series: readonly Series[];
  data: readonly (readonly (number | null)[])[];
  format?: (value: number) => string;
}) {
  const { title, series, data, format = short } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const dark = theme.value;
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const css = getComputedStyle(document.documentElement);
    const ink = css.getPropertyValue('--soft');
    const grid = { stroke: css.getPropertyValue('--line'), width: 1 };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: element.clientHeight,
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        axes: [
          {
            stroke: ink,
            grid: { show: false },
            ticks: { show: false },
            size: 28,
            values: (_, seconds) => seconds.map((at) => clock(at).slice(0, at % 60 === 0 ? 5 : 8)),
          },
          { stroke: ink, grid, ticks: { show: false }, size: 56, values: (_, v) => v.map(format) },
        ],
        scales: { y: { range: (_, _low, high) => [0, Math.max(1, high * 1.1)] } },
        series: [
          {},
          ...series.map(({ label, colour }) => ({
            label,
            stroke: css.getPropertyValue(colour),
            width: 1.5,
            points: { show: false },
            spanGaps: true,
          })),
        ],
      },
      data as uPlot.AlignedData,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: element.clientHeight });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [dark, series.length]);
  useEffect(() => plot.current?.setData(data as uPlot.AlignedData), [data]);
  const times = data[0] ?? [];
  const step = Math.max(1, Math.floor(times.length / MAX_ROWS));
  const rows = times
    .map((_, i) => i)
    .filter((i) => i % step === 0)
    .slice(-MAX_ROWS);
  return (
    <section class="card chart">
      <h2>{title}</h2>
      <p class="legend" aria-hidden="true">
        {series.map(({ label, colour }) => (
          <span key={label}>
            <i style={{ background: `var(${colour})` }} /> {label}
          </span>
        ))}
      </p>
      <div ref={place} class="plot" aria-hidden="true" />
      <table class="unseen">
        <caption>{`${title}: ${t('chartTable')}`}</caption>
        <thead>
          <tr>
            <th scope="col">{t('time')}</th>
            {series.map(({ label }) => (
              <th scope="col" key={label}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((i) => (
            <tr key={i}>
              <td>{clock(times[i] ?? 0)}</td>
              {series.map(({ label }, s) => (
                <td key={label}>{format(data[s + 1]?.[i] ?? 0)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
