// A response that passes on fields which were checked when they were read. Node looks once more at
// each field that it is given, by three regular expressions and a table of names: 3 us for ten
// fields. It is given those that frame the message, and the rest stands before them as text.

import { ServerResponse } from 'node:http';

/** What Node has to know about, by the length of the name. */
const FRAMING: readonly (string | undefined)[] = byLength([
  'expect',
  'trailer',
  'connection',
  'content-length',
  'transfer-encoding',
]);
const DATE = 'date';

/** What writeHead calls to make the head's text of a status line and the fields. */
const { _storeHeader: storeHeader } = ServerResponse.prototype as unknown as {
  _storeHeader(statusLine: string, fields: readonly string[]): void;
};

/** The response of a server of ours. */
export class RelayedResponse extends ServerResponse {
  #lines = '';

  /**
   * Like `writeHead` with a flat list, for fields of an upstream's answer and of our own making.
   * @param fields names are tokens, values have no control characters but the tab (RFC 9110 5.5):
   *   who reads them sees to that
   */
  writeRelayedHead(status: number, reason: string, fields: readonly string[]): void {
    const framing: string[] = [];
    let lines = '';
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      const value = fields[i + 1] as string;
      const known = FRAMING[name.length];
      if (known !== undefined && name.toLowerCase() === known) framing.push(name, value);
      else lines += `${name}: ${value}\r\n`;
      // Node adds the date to a head that has none (RFC 9110 6.6.1).
      if (name.length === DATE.length && name.toLowerCase() === DATE) this.sendDate = false;
    }
    this.#lines = lines;
    try {
      this.writeHead(status, reason, framing);
    } catch (error) {
      // Another head can be written in place of one that cannot.
      this.#lines = '';
      this.sendDate = true;
      this.statusMessage = '';
      throw error;
    }
    if (this.#lines !== '') throw new Error('this Node does not write heads by _storeHeader');
  }

  _storeHeader(statusLine: string, fields: readonly string[]): void {
    const lines = this.#lines;
    this.#lines = '';
    storeHeader.call(this, statusLine + lines, fields);
  }
}

function byLength(names: readonly string[]): (string | undefined)[] {
  const table: (string | undefined)[] = [];
  for (const name of names) table[name.length] = name;
  return table;
}
