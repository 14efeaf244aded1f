// A group around a key table and upstreams that a test has made by itself.

import { parseConfig } from '../../src/config/config.ts';
import { groupOfEnvironment } from '../../src/config/group-settings.ts';
import { AttemptCounts } from '../../src/pool/counts/attempt-counts.ts';
import type { GroupView } from '../../src/pool/group-view.ts';
import { WaitingLine } from '../../src/pool/limits/waiting-line.ts';
import { ResourceKeys } from '../../src/pool/resource-keys.ts';
import type { KeyTable } from '../../src/pool/table/key-table.ts';
import type { UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';

export function groupOf(table: KeyTable, upstreams: UpstreamPool, name = 'default'): GroupView {
  const attempts = new AttemptCounts(AttemptCounts.create());
  const settings = groupOfEnvironment(parseConfig({}));
  return {
    name,
    settings,
    table,
    upstreams,
    attempts,
    line: WaitingLine.create(),
    resources: new ResourceKeys(ResourceKeys.create()),
  };
}
