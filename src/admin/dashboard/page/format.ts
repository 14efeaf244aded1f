// Numbers and times as the page shows them, in either language.

export type Language = 'en' | 'zh';

export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Large numbers short: 1.2 M. */
export function short(value: number): string {
  if (value < 10 && value % 1 !== 0) return value.toFixed(1);
  if (value < 10_000) return grouped(value);
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} k`;
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} M` : `${(value / 1e9).toFixed(1)} G`;
}

const UNITS: Readonly<Record<Language, readonly [string, string, string, string, string]>> = {
  en: ['ms', 's', 'min', 'h', 'd'],
  zh: ['毫秒', '秒', '分钟', '小时', '天'],
};

/** A span of time, in one unit. */
export function span(ms: number, language: Language): string {
  const [milli, second, minute, hour, day] = UNITS[language];
  if (ms < 1_000) return `${Math.round(ms)} ${milli}`;
  const s = ms / 1_000;
  if (s < 100) return `${s < 10 ? s.toFixed(1) : Math.round(s)} ${second}`;
  if (s < 5_400) return `${Math.round(s / 60)} ${minute}`;
  return s < 172_800 ? `${Math.round(s / 3_600)} ${hour}` : `${Math.round(s / 86_400)} ${day}`;
}

export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB');
}

/** Puts values into the places of a text. */
export function filled(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}
