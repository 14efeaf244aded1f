// Says what an executable file is from its bytes alone, as file(1) would, and whether it carries a
// packed program. Mach-O signatures are checked in macho.ts.

/** `<format>-<architecture>` of the files that a release holds. */
export type ExecutableKind = 'elf-x64' | 'elf-arm64' | 'macho-x64' | 'macho-arm64' | 'pe-x64';

// Machine numbers: ELF gABI e_machine, <mach/machine.h> cputype, PE/COFF Machine.
const ELF_MACHINES = new Map<number, ExecutableKind>([
  [62, 'elf-x64'],
  [183, 'elf-arm64'],
]);
const MACHO_CPUS = new Map<number, ExecutableKind>([
  [0x0100_0007, 'macho-x64'],
  [0x0100_000c, 'macho-arm64'],
]);
const PE_MACHINES = new Map<number, ExecutableKind>([[0x8664, 'pe-x64']]);

/** The kind of a 64-bit little-endian executable; undefined for anything else. */
export function recogniseExecutable(image: Buffer): ExecutableKind | undefined {
  if (image.length < 64) return undefined;
  // \x7fELF, class 2 (64 bits), data 1 (little-endian).
  if (image.readUInt32BE(0) === 0x7f45_4c46 && image.readUInt16BE(4) === 0x0201) {
    return ELF_MACHINES.get(image.readUInt16LE(18));
  }
  if (image.readUInt32LE(0) === 0xfeed_facf) return MACHO_CPUS.get(image.readUInt32LE(4));
  if (image.toString('latin1', 0, 2) === 'MZ') {
    const header = image.readUInt32LE(0x3c);
    if (header + 6 > image.length || image.toString('latin1', header, header + 4) !== 'PE\0\0') {
      return undefined;
    }
    return PE_MACHINES.get(image.readUInt16LE(header + 4));
  }
  return undefined;
}

// Node's own mark: the digit after it says whether a blob was injected. In two parts, so that this
// file, were it ever packed itself, would not be mistaken for the mark.
const FUSE = ['NODE_SEA_FUSE', 'fce680ab2cc467b6e072b8b5df1996b2'].join('_');

/** Whether Node's fuse is there exactly once, and flipped: the file starts the packed program. */
export function holdsProgram(image: Buffer): boolean {
  const at = image.indexOf(FUSE);
  if (at === -1 || image.indexOf(FUSE, at + 1) !== -1) return false;
  return image.toString('latin1', at + FUSE.length, at + FUSE.length + 2) === ':1';
}
