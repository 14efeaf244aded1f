// Reads the parts of a multipart/form-data body (RFC 7578) that was received whole.
// Enough to say which file arrived and with which hash; it is no general parser.

import { createHash } from 'node:crypto';

export interface FormPart {
  readonly name: string;
  readonly filename: string | undefined;
  readonly bytes: number;
  readonly sha256: string;
  /** The value of a short field; empty for files. */
  readonly text: string;
}

/** Most parts of one body that are looked at. */
const maxParts = 100;

function formParts(body: Buffer, contentType: string): FormPart[] {
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (boundary === undefined) return [];
  const delimiter = Buffer.from(`--${boundary}`);
  const parts: FormPart[] = [];
  let start = body.indexOf(delimiter);
  while (start !== -1 && parts.length < maxParts) {
    const headEnd = body.indexOf('\r\n\r\n', start);
    const next = body.indexOf(delimiter, start + delimiter.length);
    if (headEnd === -1 || next === -1) break;
    const head = body.subarray(start + delimiter.length, headEnd).toString();
    // The line end before the next delimiter belongs to the delimiter.
    const content = body.subarray(headEnd + 4, next - 2);
    const filename = /filename="([^"]*)"/i.exec(head)?.[1];
    parts.push({
      name: /[; ]name="([^"]*)"/i.exec(head)?.[1] ?? '',
      filename,
      bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
      text: filename === undefined && content.length <= 1024 ? content.toString() : '',
    });
    start = next;
  }
  return parts;
}

/** The first file of a form, if there is one. */
export function uploadedFile(body: Buffer, contentType: unknown): FormPart | undefined {
  if (typeof contentType !== 'string' || !contentType.startsWith('multipart/')) return undefined;
  return formParts(body, contentType).find((part) => part.filename !== undefined);
}
