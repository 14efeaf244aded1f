// The ad-hoc signature of the macOS executables, on a small Mach-O image made here field by field.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { recogniseExecutable } from '../../build/executable.ts';
import { signAdHoc, signatureFault } from '../../build/macho-sign.ts';

const ARM64 = 0x0100_000c;
const X64 = 0x0100_0007;
const TEXT_BYTES = 0x8000;
const LINKEDIT_BYTES = 5003; // not a multiple of anything

function segment(name: string, fileOffset: number, bytes: number, firstSection?: number): Buffer {
  const sections = firstSection === undefined ? 0 : 1;
  const command = Buffer.alloc(72 + sections * 80);
  command.writeUInt32LE(0x19, 0);
  command.writeUInt32LE(command.length, 4);
  command.write(name, 8);
  command.writeBigUInt64LE(BigInt(fileOffset), 40);
  command.writeBigUInt64LE(BigInt(bytes), 48);
  command.writeUInt32LE(sections, 64);
  if (firstSection !== undefined) command.writeUInt32LE(firstSection, 72 + 48);
  return command;
}

function machO(cpu: number, firstSection = 0x1000): Buffer {
  const commands = [
    segment('__TEXT', 0, TEXT_BYTES, firstSection),
    segment('__LINKEDIT', TEXT_BYTES, LINKEDIT_BYTES),
  ];
  const header = Buffer.alloc(32);
  header.writeUInt32LE(0xfeed_facf, 0);
  header.writeUInt32LE(cpu, 4);
  header.writeUInt32LE(2, 12);
  header.writeUInt32LE(commands.length, 16);
  header.writeUInt32LE(Buffer.concat(commands).length, 20);
  const image = Buffer.alloc(TEXT_BYTES + LINKEDIT_BYTES, 0xa5);
  const head = Buffer.concat([header, ...commands]);
  image.fill(0, 0, 0x1000);
  head.copy(image);
  return image;
}

test('signing keeps every byte of the program and adds a signature that holds', () => {
  const unsigned = machO(ARM64);
  const signed = signAdHoc(unsigned, 'gpt-load');
  assert.equal(signatureFault(unsigned), 'not signed');
  assert.equal(signatureFault(signed), undefined);
  assert.equal(recogniseExecutable(signed), 'macho-arm64');
  assert.deepEqual(
    signed.subarray(0x1000, unsigned.length),
    unsigned.subarray(0x1000, unsigned.length),
  );
});

test('the CodeDirectory says ad hoc, names the program and hashes each page', () => {
  const signed = signAdHoc(machO(X64), 'gpt-load');
  const limit = Math.ceil((TEXT_BYTES + LINKEDIT_BYTES) / 16) * 16;
  assert.equal(signed.readUInt32BE(limit), 0xfade_0cc0);
  const directory = signed.subarray(limit + signed.readUInt32BE(limit + 16));
  assert.equal(directory.readUInt32BE(0), 0xfade_0c02);
  assert.equal(directory.readUInt32BE(12), 0x2_0002, 'ADHOC | LINKER_SIGNED');
  const name = directory.readUInt32BE(20);
  assert.equal(directory.toString('latin1', name, name + 9), 'gpt-load\0');
  assert.equal(directory.readBigUInt64BE(72), BigInt(TEXT_BYTES), 'the executable segment');
  const hashes = directory.readUInt32BE(16);
  const pages = directory.readUInt32BE(28);
  assert.equal(pages, Math.ceil(limit / 4096));
  for (let page = 0; page < pages; page++) {
    const bytes = signed.subarray(page * 4096, Math.min(page * 4096 + 4096, limit));
    const hash = createHash('sha256').update(bytes).digest();
    assert.deepEqual(directory.subarray(hashes + page * 32, hashes + page * 32 + 32), hash);
  }
});

test('__LINKEDIT grows over the signature, in pages of the architecture', () => {
  for (const [cpu, page] of [
    [ARM64, 0x4000],
    [X64, 0x1000],
  ] as const) {
    const signed = signAdHoc(machO(cpu), 'gpt-load');
    const at = 32 + 152; // after the header and __TEXT with its section
    assert.equal(signed.readBigUInt64LE(at + 48), BigInt(signed.length - TEXT_BYTES));
    const expected = Math.ceil((signed.length - TEXT_BYTES) / page) * page;
    assert.equal(signed.readBigUInt64LE(at + 32), BigInt(expected));
  }
});

test('signing a signed image again changes nothing', () => {
  const once = signAdHoc(machO(ARM64), 'gpt-load');
  assert.ok(signAdHoc(once, 'gpt-load').equals(once));
});

test('one changed byte anywhere is found', () => {
  const signed = signAdHoc(machO(ARM64), 'gpt-load');
  for (const at of [40, 0x1000, TEXT_BYTES + 1, TEXT_BYTES + LINKEDIT_BYTES - 1]) {
    const changed = Buffer.from(signed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => {
      const fault = signatureFault(changed);
      if (fault !== undefined) throw new Error(fault);
    });
  }
});

test('an image without room for the load command is refused', () => {
  assert.throws(() => signAdHoc(machO(ARM64, 32 + 152 + 72 + 15), 'gpt-load'), /no room/);
  assert.doesNotThrow(() => signAdHoc(machO(ARM64, 32 + 152 + 72 + 16), 'gpt-load'));
});

test('a file that is no Mach-O is refused', () => {
  assert.throws(() => signAdHoc(Buffer.alloc(100), 'gpt-load'), /not a 64-bit Mach-O/);
});
