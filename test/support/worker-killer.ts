// Loaded into gpt-load by a test (NODE_OPTIONS=--import): ends one of the worker threads when a
// file named `kill-worker` appears in the working directory. The way a worker really dies, without
// a door for it in the program.

import { unlinkSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

if (!isMainThread) {
  setInterval(() => {
    // One thread alone can remove it.
    try {
      unlinkSync('kill-worker');
    } catch {
      return;
    }
    process.exit(1);
  }, 20).unref();
}
