// Gives a Mach-O executable the ad-hoc signature without which Apple silicon refuses to start it,
// and checks one. The layout is that of the linkers (flags ADHOC | LINKER_SIGNED): a SuperBlob with
// one CodeDirectory, SHA-256; LLVM's own writer makes the same bytes. Structures: <mach-o/loader.h>
// and <kern/cs_blobs.h>. A real identity and notarisation are left to a Mac.
import { createHash } from 'node:crypto';

const MACHO_64 = 0xfeed_facf;
const LC_SEGMENT_64 = 0x19;
const LC_CODE_SIGNATURE = 0x1d;
const HEADER_BYTES = 32;
const SIGNATURE_COMMAND_BYTES = 16;

const SUPER_BLOB = 0xfade_0cc0;
const CODE_DIRECTORY = 0xfade_0c02;
const DIRECTORY_VERSION = 0x2_0400; // the first one with the execSeg fields
const DIRECTORY_BYTES = 88;
const DIRECTORY_AT = 24; // after the SuperBlob's header and its index of one entry, rounded up to 8
const ADHOC_LINKER_SIGNED = 0x2_0002;
const EXEC_SEGMENT_MAIN_BINARY = 1n;
const SHA256_BYTES = 32;
const SHA256_TYPE = 2;
const HASH_PAGE = 4096;
const ARM64_CPU = 0x0100_000c;

interface Layout {
  /** Where the load commands end and padding begins. */
  readonly commandsEnd: number;
  /** File offset of the first section: the load commands may grow up to here. */
  readonly roomEnd: number;
  readonly textAt: number;
  readonly linkeditAt: number;
  readonly signatureAt: number | undefined;
}

const roundUp = (n: number, step: number): number => Math.ceil(n / step) * step;

function segmentName(image: Buffer, at: number): string {
  return image.toString('latin1', at + 8, at + 24).replace(/\0+$/, '');
}

/** File offset of the first byte of any section in the segment command at `at`. */
function firstSection(image: Buffer, at: number): number {
  let first = Number.POSITIVE_INFINITY;
  for (let n = 0; n < image.readUInt32LE(at + 64); n++) {
    const offset = image.readUInt32LE(at + 72 + n * 80 + 48);
    if (offset > 0) first = Math.min(first, offset);
  }
  return first;
}

function readLayout(image: Buffer): Layout {
  if (image.readUInt32LE(0) !== MACHO_64) throw new Error('not a 64-bit Mach-O file');
  let [textAt, linkeditAt, at] = [0, 0, HEADER_BYTES];
  let roomEnd = Number.POSITIVE_INFINITY;
  let signatureAt: number | undefined;
  for (let n = 0; n < image.readUInt32LE(16); n++) {
    const command = image.readUInt32LE(at);
    if (command === LC_CODE_SIGNATURE) signatureAt = at;
    if (command === LC_SEGMENT_64) {
      const name = segmentName(image, at);
      if (name === '__TEXT') textAt = at;
      if (name === '__LINKEDIT') linkeditAt = at;
      roomEnd = Math.min(roomEnd, firstSection(image, at));
    }
    at += image.readUInt32LE(at + 4);
  }
  if (textAt === 0 || linkeditAt === 0) throw new Error('no __TEXT or no __LINKEDIT segment');
  return { commandsEnd: at, roomEnd, textAt, linkeditAt, signatureAt };
}

/** The image without an old signature, with a command for the new one; nothing is hashed yet. */
function reserveSignature(input: Buffer, signatureBytes: (codeLimit: number) => number): Buffer {
  const { commandsEnd, roomEnd, linkeditAt, signatureAt } = readLayout(input);
  const linkeditStart = Number(input.readBigUInt64LE(linkeditAt + 40));
  const linkeditEnd = linkeditStart + Number(input.readBigUInt64LE(linkeditAt + 48));
  const unsignedEnd = signatureAt === undefined ? linkeditEnd : input.readUInt32LE(signatureAt + 8);
  if (linkeditEnd !== input.length) throw new Error('__LINKEDIT does not end the file');
  if (signatureAt === undefined && commandsEnd + SIGNATURE_COMMAND_BYTES > roomEnd) {
    throw new Error('no room for another load command');
  }

  const codeLimit = roundUp(unsignedEnd, 16);
  const dataBytes = roundUp(signatureBytes(codeLimit), 16);
  const image = Buffer.alloc(codeLimit + dataBytes);
  input.copy(image, 0, 0, unsignedEnd);
  const commandAt = signatureAt ?? commandsEnd;
  if (signatureAt === undefined) {
    image.writeUInt32LE(input.readUInt32LE(16) + 1, 16);
    image.writeUInt32LE(input.readUInt32LE(20) + SIGNATURE_COMMAND_BYTES, 20);
  }
  image.writeUInt32LE(LC_CODE_SIGNATURE, commandAt);
  image.writeUInt32LE(SIGNATURE_COMMAND_BYTES, commandAt + 4);
  image.writeUInt32LE(codeLimit, commandAt + 8);
  image.writeUInt32LE(dataBytes, commandAt + 12);
  const linkeditBytes = image.length - linkeditStart;
  const vmPage = image.readUInt32LE(4) === ARM64_CPU ? 0x4000 : 0x1000;
  image.writeBigUInt64LE(BigInt(roundUp(linkeditBytes, vmPage)), linkeditAt + 32);
  image.writeBigUInt64LE(BigInt(linkeditBytes), linkeditAt + 48);
  return image;
}

function pageHashes(image: Buffer, codeLimit: number): Buffer[] {
  const hashes: Buffer[] = [];
  for (let at = 0; at < codeLimit; at += HASH_PAGE) {
    const page = image.subarray(at, Math.min(at + HASH_PAGE, codeLimit));
    hashes.push(createHash('sha256').update(page).digest());
  }
  return hashes;
}

/**
 * The image with an ad-hoc signature in place of any that it had. `identifier` is the name that
 * macOS shows for it. Throws when the file is not a 64-bit Mach-O executable whose __LINKEDIT comes
 * last.
 */
export function signAdHoc(input: Buffer, identifier: string) {
  const name = Buffer.from(`${identifier}\0`);
  const hashesAt = roundUp(DIRECTORY_AT + DIRECTORY_BYTES + name.length, 16) - DIRECTORY_AT;
  const directoryBytes = (codeLimit: number) =>
    hashesAt + Math.ceil(codeLimit / HASH_PAGE) * SHA256_BYTES;
  const image = reserveSignature(input, (limit) => DIRECTORY_AT + directoryBytes(limit));
  const { textAt, signatureAt = 0 } = readLayout(image);
  const codeLimit = image.readUInt32LE(signatureAt + 8);

  const superBlob = image.subarray(codeLimit);
  superBlob.writeUInt32BE(SUPER_BLOB, 0);
  superBlob.writeUInt32BE(DIRECTORY_AT + directoryBytes(codeLimit), 4);
  superBlob.writeUInt32BE(1, 8);
  superBlob.writeUInt32BE(0, 12); // slot 0: the CodeDirectory
  superBlob.writeUInt32BE(DIRECTORY_AT, 16);

  const directory = superBlob.subarray(DIRECTORY_AT);
  directory.writeUInt32BE(CODE_DIRECTORY, 0);
  directory.writeUInt32BE(directoryBytes(codeLimit), 4);
  directory.writeUInt32BE(DIRECTORY_VERSION, 8);
  directory.writeUInt32BE(ADHOC_LINKER_SIGNED, 12);
  directory.writeUInt32BE(hashesAt, 16);
  directory.writeUInt32BE(DIRECTORY_BYTES, 20); // the identifier
  directory.writeUInt32BE(Math.ceil(codeLimit / HASH_PAGE), 28);
  directory.writeUInt32BE(codeLimit, 32);
  directory.writeUInt8(SHA256_BYTES, 36);
  directory.writeUInt8(SHA256_TYPE, 37);
  directory.writeUInt8(Math.log2(HASH_PAGE), 39);
  directory.writeBigUInt64BE(image.readBigUInt64LE(textAt + 40), 64); // where __TEXT is in the file
  directory.writeBigUInt64BE(image.readBigUInt64LE(textAt + 48), 72);
  directory.writeBigUInt64BE(EXEC_SEGMENT_MAIN_BINARY, 80);
  name.copy(directory, DIRECTORY_BYTES);
  Buffer.concat(pageHashes(image, codeLimit)).copy(directory, hashesAt);
  return image;
}

/** What is wrong with the signature of a Mach-O image; undefined when every page hash is right. */
export function signatureFault(image: Buffer): string | undefined {
  const { signatureAt, linkeditAt } = readLayout(image);
  if (signatureAt === undefined) return 'not signed';
  const start = image.readUInt32LE(signatureAt + 8);
  const end = start + image.readUInt32LE(signatureAt + 12);
  const linkeditEnd =
    image.readBigUInt64LE(linkeditAt + 40) + image.readBigUInt64LE(linkeditAt + 48);
  if (end !== image.length || BigInt(end) !== linkeditEnd) return 'it does not end the file';
  if (image.readUInt32BE(start) !== SUPER_BLOB) return 'no SuperBlob';
  const directory = image.subarray(start + image.readUInt32BE(start + 16), end);
  if (directory.readUInt32BE(0) !== CODE_DIRECTORY) return 'no CodeDirectory';
  if (directory.readUInt32BE(32) !== start) return 'it does not cover the whole file';
  const hashesAt = directory.readUInt32BE(16);
  const expected = pageHashes(image, start);
  if (directory.readUInt32BE(28) !== expected.length) return 'the number of pages is wrong';
  const wrong = expected.findIndex(
    (hash, n) => !hash.equals(directory.subarray(hashesAt + n * 32, hashesAt + n * 32 + 32)),
  );
  return wrong === -1 ? undefined : `page ${wrong} has another hash`;
}
