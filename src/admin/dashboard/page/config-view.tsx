// Config: the effective values, and where each of them comes from.

import { useLoaded, Waiting } from './loaded.tsx';
import { t } from './state.tsx';

type Config = Readonly<Record<string, unknown>>;

export function ConfigView() {
  const loaded = useLoaded<Config>('/config');
  const { groups, clients, from_environment, config_file, ...values } = loaded.value ?? {};
  const set = Array.isArray(from_environment) ? from_environment : [];
  return (
    <>
      <Waiting loaded={loaded} />
      {loaded.value !== undefined && (
        <Table
          caption={t('config')}
          rows={Object.entries(values).map(([name, value]) => {
            return [name, value, set.includes(name) ? 'environment' : 'default'];
          })}
        />
      )}
      {(Array.isArray(groups) ? groups : []).map((group: Config) => (
        <Table
          key={String(group.name)}
          caption={`[group.${String(group.name)}]`}
          rows={Object.entries((group.settings ?? {}) as Config).map(([name, setting]) => {
            const { value, origin } = setting as { value: unknown; origin: string };
            return [name, value, origin];
          })}
        />
      ))}
      {(Array.isArray(clients) ? clients : []).map((client: Config) => (
        <Table
          key={String(client.name)}
          caption={`[client.${String(client.name)}]`}
          rows={Object.entries(client)
            .filter(([name]) => name !== 'name')
            .map(([name, value]) => [name, value, 'file'])}
        />
      ))}
    </>
  );
}

function Table(props: {
  caption: string;
  rows: readonly (readonly [string, unknown, string] | readonly unknown[])[];
}) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={props.caption}>
      <table class="rows">
        <caption>{props.caption}</caption>
        <thead>
          <tr>
            <th scope="col">{t('variable')}</th>
            <th scope="col">{t('value')}</th>
            <th scope="col">{t('origin')}</th>
          </tr>
        </thead>
        <tbody>
          {props.rows.map(([name, value, origin]) => (
            <tr key={String(name)}>
              <td class="code">{String(name)}</td>
              <td class="code">
                {typeof value === 'object' ? JSON.stringify(value) : String(value)}
              </td>
              <td>{String(origin)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
