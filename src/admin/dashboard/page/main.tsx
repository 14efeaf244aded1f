// The page: its header with the views, the login, and the current view.

import { render } from 'preact';
import { useState } from 'preact/hooks';
import { ConfigView } from './config-view.tsx';
import { span } from './format.ts';
import { KeysView } from './keys-view.tsx';
import { Overview } from './overview.tsx';
import { RequestsView } from './requests-view.tsx';
import {
  choose,
  connection,
  hasKey,
  language,
  live,
  needsKey,
  nowSeconds,
  problems,
  signIn,
  signOut,
  start,
  t,
  theme,
  view,
  whole,
  wrongKey,
} from './state.tsx';
import { UsageView } from './usage-view.tsx';

const VIEWS = {
  overview: Overview,
  keys: KeysView,
  requests: RequestsView,
  usage: UsageView,
  config: ConfigView,
} as const;
const NAMES = Object.keys(VIEWS) as (keyof typeof VIEWS)[];

function Page() {
  document.documentElement.dataset.theme = theme.value;
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en';
  const name = NAMES.find((one) => one === view.value) ?? 'overview';
  const View = VIEWS[name];
  return (
    <>
      <a class="skip" href="#content" onClick={focusContent}>
        {t('skip')}
      </a>
      <header>
        <h1>gpt-load</h1>
        {whole.value?.instance !== undefined && <span>{whole.value.instance}</span>}
        <nav aria-label="gpt-load">
          {NAMES.map((one) => (
            <a key={one} href={`#${one}`} aria-current={one === name ? 'page' : undefined}>
              {t(one)}
            </a>
          ))}
        </nav>
        <Connection />
        <button
          type="button"
          class="plain"
          title={t('language')}
          aria-label={t('language')}
          onClick={() => choose('language', language.value === 'zh' ? 'en' : 'zh')}
        >
          {language.value === 'zh' ? 'EN' : '中'}
        </button>
        <button
          type="button"
          class="plain"
          title={t('theme')}
          aria-label={t('theme')}
          onClick={() => choose('theme', theme.value === 'dark' ? 'light' : 'dark')}
        >
          {theme.value === 'dark' ? '☀' : '☾'}
        </button>
        {hasKey() && (
          <button type="button" class="plain" onClick={signOut}>
            {t('signOut')}
          </button>
        )}
      </header>
      {connection.value === 'lost' && !needsKey.value && (
        <p class="lost" role="alert">
          {t('reconnecting')}
        </p>
      )}
      {problems.value.length > 0 && !needsKey.value && (
        <div class="problems" role="alert">
          <strong>{t('rejected')}</strong>
          {problems.value.map((problem) => (
            <p key={problem}>{problem}</p>
          ))}
        </div>
      )}
      <main id="content" tabIndex={-1}>
        {needsKey.value ? <Login /> : live.value === undefined ? <p>{t('loading')}</p> : <View />}
      </main>
      <Foot />
    </>
  );
}

function focusContent(event: Event): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

function Connection() {
  const state = connection.value;
  if (state === 'lost' || needsKey.value) return <span class="spacer" />;
  return (
    <span class="spacer">
      <i class={`dot ${state === 'live' ? 'good' : 'rest'}`} /> {t(state)}
    </span>
  );
}

function Login() {
  const [key, setKey] = useState('');
  return (
    <form
      class="card login"
      onSubmit={(event) => {
        event.preventDefault();
        signIn(key);
      }}
    >
      <h2>{t('signIn')}</h2>
      <p>{t('signInHint')}</p>
      <label>
        {t('authKey')}
        <input
          type="password"
          autocomplete="off"
          required
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <p class="problem" role="alert">
        {wrongKey.value ? t('wrongKey') : ''}
      </p>
      <button type="submit" class="main">
        {t('signIn')}
      </button>
    </form>
  );
}

function Foot() {
  const state = whole.value;
  if (state === undefined) return null;
  const uptime = span((nowSeconds.value - state.started) * 1000, language.value);
  return (
    <footer>
      gpt-load {state.version} · {t('uptime', { t: uptime })} · {t('workers', { n: state.workers })}
    </footer>
  );
}

const root = document.getElementById('root');
if (root !== null) {
  // What stood there for the first paint.
  root.textContent = '';
  render(<Page />, root);
}
void start();
