// Loaded into gpt-load by a test (NODE_OPTIONS=--import): ends the worker threads that exist when a
// file named `kill-worker` appears in the working directory. The way a worker really dies, without
// a door for it in the program.

import { existsSync, unlinkSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

if (!isMainThread) {
  setInterval(() => {
    if (!existsSync('kill-worker')) return;
    unlinkSync('kill-worker');
    process.exit(1);
  }, 20).unref();
}
