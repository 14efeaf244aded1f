// What people write into a key file that looks like a key but is not: a line of a shell script, of
// JSON, of a list. Each message says what to do, and never repeats the key.

/** Bytes that no provider's key has within it, or that are worth a closer look. */
export const SUSPICIOUS = '"\'`,=';

/** What is wrong with a word in the place of a key; undefined: nothing. */
export function keyMistake(word: string): string | undefined {
  if (/^["'`]|["'`],?$/.test(word)) return 'the key is in quotes; remove them';
  if (word.endsWith(',')) return 'there is a comma after the key; remove it';
  if (word.includes(',')) {
    return 'several keys separated by commas; write one key per line';
  }
  // Base64 ends with equals signs; nothing follows those.
  if (/^[A-Z_][A-Z0-9_]*=[^=]/.test(word)) {
    return 'there is a name and an equals sign before the key; write only the key';
  }
  return undefined;
}
