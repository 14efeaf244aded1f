// What Grafana and Prometheus are given is what the metrics make: files and names agree, and
// promtool finds no fault.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { alertRules, dashboard, unknownNames } from '../../build/monitoring.ts';
import { needs } from '../support/peer-process.ts';

const deploy = join(import.meta.dirname, '../../deploy');

test('dashboard and rules are what `make monitoring` writes', () => {
  assert.equal(readFileSync(join(deploy, 'grafana-dashboard.json'), 'utf8'), dashboard());
  assert.equal(readFileSync(join(deploy, 'alerts.yml'), 'utf8'), alertRules());
});

test('they name no metric that there is not', () => {
  assert.deepEqual(unknownNames(), []);
});

test('panels have numbers and places of their own', () => {
  const { panels } = JSON.parse(dashboard()) as {
    panels: { id: number; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const places = panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
  assert.equal(new Set(places).size, panels.length);
  for (const { gridPos } of panels) assert.ok(gridPos.x + gridPos.w <= 24);
});

test('promtool finds no fault in the rules', { ...needs('promtool') }, () => {
  const file = join(deploy, 'alerts.yml');
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', file], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout + stderr);
});
