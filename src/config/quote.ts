// How a rejected value is quoted in an error message.

import { redact } from '../policy/redact.ts';

/** Longest part of it that is shown. */
const MAX_SHOWN = 80;

/** As JSON, so that no control character reaches a terminal; bounded, secrets masked. */
export function quote(text: string): string {
  const shown = redact(text);
  return JSON.stringify(shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}...` : shown);
}
