// The digests that `make pin-images` writes are those that docker names, and nothing else of a file
// changes. docker is a script here: no registry is asked.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { digestOf, imagesOf, withDigests } from '../../build/pin-images.ts';
import { ROOT } from '../../build/targets.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpt-load-pins-'));
const path = process.env.PATH;
after(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
});

const one = `sha256:${'1'.repeat(64)}`;
const two = `sha256:${'2'.repeat(64)}`;

test('images are pinned behind their tags, again and again, and nothing else changes', () => {
  const text = [
    'FROM --platform=$BUILDPLATFORM node:24-slim AS build',
    'FROM gcr.io/distroless/cc-debian12:nonroot',
    '    image: valkey/valkey:8-alpine',
    '  image: gpt-load',
    '# FROM here:on',
  ].join('\n');
  const images = [
    'node:24-slim',
    'gcr.io/distroless/cc-debian12:nonroot',
    'valkey/valkey:8-alpine',
  ];
  assert.deepEqual(imagesOf(text), images);
  const pinned = withDigests(text, new Map(images.map((image) => [image, one])));
  assert.equal(pinned.replaceAll(`@${one}`, ''), text);
  assert.match(pinned, new RegExp(`^FROM --platform=\\S+ node:24-slim@${one} AS build$`, 'm'));
  const later = withDigests(pinned, new Map(images.map((image) => [image, two])));
  assert.equal(later, pinned.replaceAll(one, two));
  assert.throws(() => withDigests(text, new Map()), /no digest of node:24-slim/);
});

test('every image of the project is found', () => {
  const files = ['Dockerfile', 'docker-compose.fleet.yml', 'deploy/kubernetes.yaml'];
  const found = files.map((file) => imagesOf(readFileSync(join(ROOT, file), 'utf8')).length);
  assert.deepEqual(found, [2, 2, 1]);
});

test('a digest is what docker says, and an answer without one is a fault', (t) => {
  if (process.platform === 'win32') return t.skip('no sh');
  const script = join(folder, 'docker');
  const answers = (text: string) => {
    writeFileSync(script, `#!/bin/sh\nprintf '%s' '${text}'\n`);
    chmodSync(script, 0o755);
  };
  process.env.PATH = `${folder}:${path}`;
  answers(`{"mediaType":"x","digest":"${one}","size":1}`);
  assert.equal(digestOf('node:24-slim'), one);
  answers('{"mediaType":"x"}');
  assert.throws(() => digestOf('node:24-slim'), /names no digest of node:24-slim/);
});
