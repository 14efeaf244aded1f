// The shared memory of trails: who holds which page, which one is given to whom, and what a reader
// sees while several threads write.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { MAX_TRAIL_BYTES, MAX_TRAILS, TrailPages } from '../../../src/pool/trails/trail-pages.ts';
import { WrittenTrails } from '../../../src/pool/trails/trail-reader.ts';
import { TrailWriter } from '../../../src/pool/trails/trail-writer.ts';
import { trailWith } from './trail-fixture.ts';

const PAGE_BYTES = 256 * 1024;

test('a page that is held is given to nobody else, and to anybody once it was left', () => {
  const pages = new TrailPages(TrailPages.create(1));
  const held = Array.from({ length: MAX_TRAIL_BYTES / PAGE_BYTES + 1 }, () => pages.take(0));
  assert.equal(new Set(held.map((page) => page?.index)).size, held.length);
  assert.equal(pages.take(1), undefined);
  const [first] = held;
  assert.ok(first !== undefined);
  pages.leave(first);
  assert.equal(pages.take(1)?.index, first.index);
});

test('what a dead worker held is given back, and what it has written stays', () => {
  const pages = new TrailPages(TrailPages.create(2));
  new TrailWriter(pages, 0, 'dead').add(trailWith({ id: 'a' }));
  new TrailWriter(pages, 1, 'alive').add(trailWith({ id: 'b' }));
  pages.reclaim(0);
  new TrailWriter(pages, 0, 'next').add(trailWith({ id: 'c' }));
  const read = [...new WrittenTrails(pages).newestFirst()].map(({ id }) => id);
  assert.deepEqual(read, ['c', 'b', 'a']);
  const taken = Array.from({ length: 100 }, () => pages.take(3)).filter(Boolean);
  assert.equal(taken.length, MAX_TRAIL_BYTES / PAGE_BYTES + 2 - 2);
});

test('usual trails use little of the memory, however many there were', () => {
  const buffer = TrailPages.create(1);
  const pages = new TrailPages(buffer);
  const writer = new TrailWriter(pages, 0, 'w0');
  for (let i = 0; i < 20 * MAX_TRAILS; i += 1) writer.add(trailWith({ serial: i }));
  const bytes = new Uint8Array(buffer);
  let used = 0;
  for (let at = 64; at < bytes.length; at += PAGE_BYTES) if (bytes[at] !== 0) used += PAGE_BYTES;
  assert.ok(used > 1024 * 1024 && used < 3 * 1024 * 1024, String(used));
  assert.equal(new WrittenTrails(pages).count, MAX_TRAILS);
});

test('the numbers of trails may go round', () => {
  const buffer = TrailPages.create(1);
  new Int32Array(buffer)[0] = -3;
  const pages = new TrailPages(buffer);
  const writer = new TrailWriter(pages, 0, 'w0');
  for (let i = 0; i < 6; i += 1) writer.add(trailWith({ id: `r${i}` }));
  const read = [...new WrittenTrails(pages).newestFirst()].map(({ id }) => id);
  assert.deepEqual(read, ['r5', 'r4', 'r3', 'r2', 'r1', 'r0']);
  new Int32Array(buffer)[0] = 0x7fff_fffe;
  for (let i = 0; i < 4; i += 1) writer.add(trailWith({ id: `s${i}` }));
  const later = [...new WrittenTrails(pages).newestFirst()].map(({ id }) => id);
  assert.deepEqual(later, ['s3', 's2', 's1', 's0']);
});

const WRITER = `
  const { parentPort, workerData } = require('node:worker_threads');
  Promise.all([import(workerData.pages), import(workerData.writer)]).then(([a, b]) => {
    const { id, trail, count, buffer } = workerData;
    const writer = new b.TrailWriter(new a.TrailPages(buffer), id, 'w' + id);
    for (let serial = 1; serial <= count; serial += 1) {
      writer.add({ ...trail, serial, path: '/' + id + '/' + serial, bytesIn: serial * 8 + id });
    }
    parentPort.postMessage('done');
  });
`;

test('a reader sees whole trails only, in order, while three threads write', async () => {
  const buffer = TrailPages.create(3);
  const pages = new TrailPages(buffer);
  const count = 40_000;
  const own = (name: string) => new URL(`../../../src/${name}.ts`, import.meta.url).href;
  const files = { pages: own('pool/trails/trail-pages'), writer: own('pool/trails/trail-writer') };
  let running = 3;
  const threads = [0, 1, 2].map((id) => {
    const workerData = { id, trail: trailWith(), count, buffer, ...files };
    const thread = new Worker(WRITER, { eval: true, workerData });
    return new Promise<void>((resolve, reject) => {
      thread.once('error', reject).once('message', () => {
        running -= 1;
        resolve();
      });
    });
  });
  let looks = 0;
  while (running > 0) {
    const seen = [0, 0, 0];
    for (const { id, path, bytesIn } of new WrittenTrails(pages).newestFirst()) {
      const [, worker = '', serial = ''] = path.split('/');
      const at = Number(worker);
      assert.equal(bytesIn, Number(serial) * 8 + at);
      assert.equal(id.slice(0, 2), `w${at}`);
      const before = seen[at] as number;
      assert.ok(before === 0 || Number(serial) < before, `${path} behind ${before}`);
      seen[at] = Number(serial);
    }
    looks += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(threads);
  assert.ok(looks > 3, String(looks));
  const { count: kept } = new WrittenTrails(pages);
  assert.equal(kept, MAX_TRAILS);
  assert.equal(pages.newest, 3 * count);
  assert.equal(pages.dropped, 0);
});
