// Loaded into gpt-load by a test (NODE_OPTIONS=--import): its wall clock goes wrong by as many
// milliseconds as a file named `clock-shift` in the working directory says.

import { readFileSync } from 'node:fs';

const now = Date.now;
let shiftMs = 0;

Date.now = () => now() + shiftMs;

setInterval(() => {
  try {
    shiftMs = Number(readFileSync('clock-shift', 'utf8'));
  } catch {
    shiftMs = 0;
  }
}, 20).unref();
