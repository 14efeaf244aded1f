// Which answers are compressed for the client.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipChoice, markGzipped } from '../../../src/proxy/answer/gzip.ts';

const JSON_2K = ['Content-Type', 'application/json', 'Content-Length', '2048'];

describe('gzipChoice', () => {
  it('compresses compressible answers of 1 KiB and more', () => {
    assert.equal(gzipChoice('gzip, deflate, br', 200, JSON_2K), 'yes');
    assert.equal(gzipChoice('*', 200, JSON_2K), 'yes');
    assert.equal(
      gzipChoice('gzip', 200, ['Content-Type', 'text/html', 'Content-Length', '1024']),
      'yes',
    );
    assert.equal(
      gzipChoice('gzip', 200, ['Content-Type', 'text/html', 'Content-Length', '1023']),
      'no',
    );
  });

  it('asks for the size when it is not announced', () => {
    assert.equal(gzipChoice('gzip', 200, ['Content-Type', 'application/json']), 'by size');
  });

  it('leaves clients alone that do not accept gzip', () => {
    for (const accepted of [undefined, 'br', 'gzip;q=0', 'identity', '*;q=0.0', 'gzip; q=0, *']) {
      assert.equal(gzipChoice(accepted, 200, JSON_2K), 'no', String(accepted));
    }
  });

  it('never touches event streams, encoded, partial, validated, opaque or media answers', () => {
    const never = [
      ['Content-Type', 'text/event-stream'],
      ['Content-Type', 'application/x-ndjson'],
      [...JSON_2K, 'Content-Encoding', 'br'],
      [...JSON_2K, 'ETag', '"strong"'],
      [...JSON_2K, 'Cache-Control', 'private, no-transform'],
      ['Content-Type', 'audio/mpeg', 'Content-Length', '99999'],
      ['Content-Length', '99999'],
    ];
    for (const fields of never) assert.equal(gzipChoice('gzip', 200, fields), 'no', fields.join());
    assert.equal(gzipChoice('gzip', 206, JSON_2K), 'no');
  });
});

describe('markGzipped', () => {
  it('takes the length away and says what was done', () => {
    const fields = [...JSON_2K, 'X-A', 'b'];
    markGzipped(fields);
    assert.deepEqual(fields, [
      'Content-Type',
      'application/json',
      'X-A',
      'b',
      'Content-Encoding',
      'gzip',
      'Vary',
      'Accept-Encoding',
    ]);
  });
});
