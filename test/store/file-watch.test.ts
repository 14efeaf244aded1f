// When a changed key file is noticed: written in place, replaced, swapped as Kubernetes does,
// removed.

import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileWatch } from '../../src/store/file-watch.ts';
import { bestOfThree } from '../support/best-of-three.ts';

const TIMES = { settleMs: 30, patienceMs: 300, pollMs: 60_000 };

interface Watched {
  readonly folder: string;
  readonly path: string;
  /** How often a change was told so far. */
  readonly told: () => number;
  /** Waits until that many were told, and a little for one too many. */
  readonly expect: (changes: number) => Promise<void>;
}

async function watched(act: (w: Watched) => Promise<void>, times = TIMES, prepare = plainFile) {
  const folder = await mkdtemp(join(tmpdir(), 'watch-'));
  const path = join(folder, 'keys.txt');
  try {
    await prepare(folder, path);
    let count = 0;
    using _watch = await FileWatch.start(path, () => count++, times);
    const expect = async (changes: number) => {
      for (let i = 0; i < 1_500 && count < changes; i++) await sleep(10);
      await sleep(100 + 2 * times.settleMs);
      assert.equal(count, changes);
    };
    await act({ folder, path, told: () => count, expect });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function plainFile(_folder: string, path: string): Promise<void> {
  await writeFile(path, 'one\n');
}

test('a file written in place is told once, after it has settled', async () => {
  // The file is looked at three times in the second in which it is written.
  const times = { ...TIMES, settleMs: 300, patienceMs: 10_000 };
  await bestOfThree(async () => {
    let toldEarly = 0;
    await watched(async ({ path, told, expect }) => {
      const file = await open(path, 'w');
      for (let i = 0; i < 50; i++) {
        await file.write(`key-${i}\n`);
        await sleep(20);
      }
      toldEarly = told();
      await file.close();
      await expect(toldEarly + 1);
    }, times);
    // A writer who pauses for longer than a file takes to settle is one who has finished.
    return toldEarly === 0 ? undefined : `told ${toldEarly} times while it was written`;
  });
});

test('a file replaced by a rename is told once, and so is the next one', async () => {
  await watched(async ({ folder, path, expect }) => {
    for (let i = 1; i <= 3; i++) {
      await writeFile(join(folder, '.keys.tmp'), `key-${i}\n`);
      await rename(join(folder, '.keys.tmp'), path);
      await expect(i);
    }
  });
});

test('a file that is removed and written anew, as some editors do, is told once', async () => {
  await watched(async ({ path, expect }) => {
    await rm(path);
    await writeFile(path, 'two\n');
    await expect(1);
  });
});

test('the links of a Kubernetes volume are followed', async () => {
  const prepare = async (folder: string, path: string) => {
    await mkdir(join(folder, '..1'));
    await writeFile(join(folder, '..1', 'keys.txt'), 'one\n');
    await symlink('..1', join(folder, '..data'));
    await symlink(join('..data', 'keys.txt'), path);
  };
  const act = async ({ folder, expect }: Watched) => {
    await mkdir(join(folder, '..2'));
    await writeFile(join(folder, '..2', 'keys.txt'), 'two\n');
    await symlink('..2', join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    await rm(join(folder, '..1'), { recursive: true });
    await expect(1);
  };
  await watched(act, TIMES, prepare);
});

test('other files of the directory are of no interest', async () => {
  await watched(async ({ folder, expect }) => {
    await writeFile(join(folder, 'other.txt'), 'x');
    await expect(0);
  });
});

test('without a notice, looking now and then finds the change', async () => {
  await watched(
    async ({ path, folder, expect }) => {
      // The directory that was watched is gone: no notice comes from the one in its place.
      await mkdir(`${folder}-new`);
      await writeFile(join(`${folder}-new`, 'keys.txt'), 'two\n');
      // At once, and whole: a file that is missing for a while, or empty, would be told as well.
      renameSync(folder, `${folder}-old`);
      renameSync(`${folder}-new`, folder);
      await rm(`${folder}-old`, { recursive: true });
      await expect(1);
      writeFileSync(path, 'three\n');
      await expect(2);
    },
    { settleMs: 10, patienceMs: 300, pollMs: 40 },
  );
});

test('a file that is gone for good is told, once', async () => {
  await watched(
    async ({ path, expect }) => {
      await rm(path);
      await expect(1);
    },
    { settleMs: 10, patienceMs: 300, pollMs: 40 },
  );
});

test('a file that never settles is told all the same', async () => {
  await watched(async ({ path, told }) => {
    const deadline = Date.now() + 3_000;
    for (let i = 0; told() === 0 && Date.now() < deadline; i++) {
      await writeFile(path, `key-${i}\n`);
      await sleep(15);
    }
    assert.ok(told() > 0);
  });
});

test('nothing is told after the end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'watch-'));
  const path = join(folder, 'keys.txt');
  await writeFile(path, 'one\n');
  let count = 0;
  const watch = await FileWatch.start(path, () => count++, TIMES);
  await writeFile(path, 'two\n');
  watch[Symbol.dispose]();
  const before = count;
  await writeFile(path, 'three\n');
  await sleep(150);
  assert.equal(count, before);
  await rm(folder, { recursive: true });
});
