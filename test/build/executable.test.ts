// Recognising executables from their bytes, and the mark of a packed program.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { holdsProgram, recogniseExecutable } from '../../build/executable.ts';

const fuse = `NODE_SEA_${'FUSE'}_fce680ab2cc467b6e072b8b5df1996b2`;

function elf(machine: number): Buffer {
  const image = Buffer.alloc(64);
  image.write('\x7fELF\x02\x01', 'latin1');
  image.writeUInt16LE(machine, 18);
  return image;
}

function pe(machine: number): Buffer {
  const image = Buffer.alloc(256);
  image.write('MZ', 'latin1');
  image.writeUInt32LE(0x80, 0x3c);
  image.write('PE\0\0', 0x80, 'latin1');
  image.writeUInt16LE(machine, 0x84);
  return image;
}

test('the platforms of a release are told apart by their headers', () => {
  assert.equal(recogniseExecutable(elf(62)), 'elf-x64');
  assert.equal(recogniseExecutable(elf(183)), 'elf-arm64');
  assert.equal(recogniseExecutable(pe(0x8664)), 'pe-x64');
});

test('another architecture, another format and a stub are nothing', () => {
  assert.equal(recogniseExecutable(elf(3)), undefined, '32-bit x86');
  assert.equal(recogniseExecutable(pe(0xaa64)), undefined, 'Windows on arm64');
  assert.equal(recogniseExecutable(Buffer.from('#!/bin/sh\n'.padEnd(100))), undefined);
  assert.equal(recogniseExecutable(Buffer.alloc(3)), undefined);
  const lost = pe(0x8664);
  lost.writeUInt32LE(0xffff, 0x3c);
  assert.equal(recogniseExecutable(lost), undefined, 'a header beyond the end');
});

test('the Node that runs this test is recognised and holds no program', () => {
  const image = readFileSync(process.execPath);
  assert.match(recogniseExecutable(image) ?? '', new RegExp(`-${process.arch}$`));
  assert.equal(holdsProgram(image), false);
});

test('a program is there when the fuse is flipped, and is there once', () => {
  assert.equal(holdsProgram(Buffer.from(`...${fuse}:1...`)), true);
  assert.equal(holdsProgram(Buffer.from(`...${fuse}:0...`)), false);
  assert.equal(holdsProgram(Buffer.from('...')), false);
  assert.equal(holdsProgram(Buffer.from(`${fuse}:1${fuse}:1`)), false);
});
