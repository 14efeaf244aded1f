// The shared memory of trails: who holds which page, which one is given to whom, and what a reader
// sees while several threads write.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Trail } from '../../../src/log/trail.ts';
import {
  MAX_TRAIL_BYTES,
  MAX_TRAILS,
  PAGE_START,
  TrailPages,
} from '../../../src/pool/trails/trail-pages.ts';
import { WrittenTrails } from '../../../src/pool/trails/trail-reader.ts';
import { TrailWriter } from '../../../src/pool/trails/trail-writer.ts';
import { liveHeapBytes } from '../../support/live-heap.ts';
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

for (const workers of [1, 8, 64]) {
  test(`usual trails of ${workers} workers use little of the memory`, () => {
    const buffer = TrailPages.create(workers);
    const pages = new TrailPages(buffer);
    const writers = Array.from({ length: workers }, (_, id) => new TrailWriter(pages, id, 'w'));
    for (let i = 0; i < 20 * MAX_TRAILS; i += 1) {
      writers[i % workers]?.add(trailWith({ serial: i }));
    }
    const bytes = new Int32Array(buffer);
    let used = 0;
    for (let at = 16; at < bytes.length; at += pages.size) if (bytes[at] !== 0) used += pages.size;
    assert.ok(4 * used > 1024 * 1024 && 4 * used < 9 * 1024 * 1024, String(used));
    assert.equal(new WrittenTrails(pages).count, MAX_TRAILS);
  });
}

/** Every page has one trail, and the first one is free again: whoever needs a page takes that. */
function almostFull() {
  const pages = new TrailPages(TrailPages.create(1));
  const held = Array.from({ length: MAX_TRAIL_BYTES / PAGE_BYTES + 1 }, (_, workerId) => {
    new TrailWriter(pages, workerId, 'w').add(trailWith({ id: `old ${workerId}` }));
    return `old ${workerId}`;
  });
  pages.reclaim(0);
  return { pages, held: held.slice(1) };
}

function newTrail(name: string): Trail {
  return trailWith({ id: `new ${name}`, path: `/${'x'.repeat(300)}` });
}

/** What is read is whole, whichever it is; what nobody touches is there. */
function assertWhole(pages: TrailPages, held: readonly string[]): string[] {
  const read = [...new WrittenTrails(pages).newestFirst()];
  for (const trail of read) {
    const { id } = trail;
    assert.deepEqual(trail, id.startsWith('new') ? newTrail(id.slice(4)) : trailWith({ id }));
  }
  const ids = read.map(({ id }) => id);
  assert.deepEqual(ids.filter((id) => held.includes(id)).toReversed(), held);
  return ids;
}

test('a page that is taken while it is read is not read', () => {
  for (let at = 1; at < 4; at += 1) {
    const { pages, held } = almostFull();
    const { load } = Atomics;
    let left = at;
    // The other thread comes in between this one's looks at the page that is free.
    mock.method(Atomics, 'load', (words: Int32Array, index: number): number => {
      const value = load(words, index);
      if (left === 0 || index < 16 || index >= 16 + pages.size) return value;
      left -= 1;
      // What it has written is as good as nothing yet, behind a record's number that still stands.
      if (left === 0) pages.take(100)?.words.fill(PAGE_START, PAGE_START + 4);
      return value;
    });
    assertWhole(pages, held);
    mock.restoreAll();
    assert.equal(left, 0, `look ${at}`);
    assert.deepEqual(assertWhole(pages, held).toReversed(), held);
  }
});

test('a trail that is half written is not read, also on a page that had others', () => {
  const { pages, held } = almostFull();
  const writer = new TrailWriter(pages, 100, 'w');
  let looks = 0;
  for (const name of ['a', 'b']) {
    const trail = newTrail(name);
    for (const field of ['id', 'path', 'status', 'bytesOut'] as const) {
      const value = trail[field];
      const get = (): unknown => {
        const ids = assertWhole(pages, held);
        assert.ok(!ids.includes('old 0') && !ids.includes(`new ${name}`));
        looks += 1;
        return value;
      };
      Object.defineProperty(trail, field, { get });
    }
    writer.add(trail);
  }
  assert.equal(looks, 8);
  assert.deepEqual(assertWhole(pages, held).slice(0, 2), ['new b', 'new a']);
});

test('an exception leaves nothing behind that a reader would walk into', () => {
  const pages = new TrailPages(TrailPages.create(1));
  const writer = new TrailWriter(pages, 0, 'w0');
  writer.add(trailWith({ id: 'before' }));
  const broken = trailWith({ id: 'broken' });
  Object.defineProperty(broken, 'totalMs', {
    get: () => {
      throw new Error('broken');
    },
  });
  assert.throws(() => writer.add(broken), /broken/);
  writer.add(trailWith({ id: 'behind' }));
  const read = [...new WrittenTrails(pages).newestFirst()].map(({ id }) => id);
  assert.deepEqual(read, ['behind', 'before']);
});

test('long texts are kept on pages alone', () => {
  const pages = new TrailPages(TrailPages.create(1));
  const writer = new TrailWriter(pages, 0, 'w0');
  writer.add(trailWith());
  const before = liveHeapBytes();
  for (let i = 0; i < 1_000; i += 1) {
    const long = `${i}-a-model-of-some-length/${'x'.repeat(30_000)}`;
    writer.add(trailWith({ path: `/?token=${long}`, model: long.slice(0, 24) }));
  }
  const grown = liveHeapBytes() - before;
  assert.ok(grown < 5 * 1024 * 1024, String(grown));
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
    const { id, trail, count, buffer, filling } = workerData;
    const writer = new b.TrailWriter(new a.TrailPages(buffer), id, 'w' + id);
    for (let serial = 1; serial <= count; serial += 1) {
      const path = '/' + id + '/' + serial + '/' + filling;
      writer.add({ ...trail, serial, path, bytesIn: serial * 8 + id });
    }
    parentPort.postMessage('done');
  });
`;

for (const [what, filling, count] of [
  ['usual', '', 40_000],
  ['long', '模型'.repeat(400), 20_000],
] as const) {
  test(`a reader sees whole ${what} trails only while three threads write`, async () => {
    const buffer = TrailPages.create(3);
    const pages = new TrailPages(buffer);
    const own = (name: string) => new URL(`../../../src/${name}.ts`, import.meta.url).href;
    const files = {
      pages: own('pool/trails/trail-pages'),
      writer: own('pool/trails/trail-writer'),
    };
    let running = 3;
    const threads = [0, 1, 2].map((id) => {
      const workerData = { id, trail: trailWith(), count, buffer, filling, ...files };
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
        const [, worker = '', serial = '', text] = path.split('/');
        const at = Number(worker);
        assert.equal(text, filling);
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
    if (filling === '') assert.equal(kept, MAX_TRAILS);
    else assert.ok(kept > 5_000 && kept < MAX_TRAILS, String(kept));
    assert.equal(pages.newest, 3 * count);
    assert.equal(pages.dropped, 0);
  });
}
