// The Homebrew formula of a release: for a tap, written beside the archives that it names.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from './bundle.ts';
import { ROOT } from './targets.ts';

const PLATFORMS = [
  ['on_macos', 'on_arm', 'darwin-arm64'],
  ['on_macos', 'on_intel', 'darwin-amd64'],
  ['on_linux', 'on_arm', 'linux-arm64'],
  ['on_linux', 'on_intel', 'linux-amd64'],
] as const;

/** @param sums SHA256SUMS of the archives @param base the URL of the folder that holds them */
export function formula(sums: string, base: string): string {
  const { description, license } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const hashes = new Map(
    sums
      .trim()
      .split('\n')
      .map((line) => line.split('  ').toReversed() as [string, string]),
  );
  const blocks = PLATFORMS.map(([system, processor, platform]) => {
    const archive = `gpt-load-${version()}-${platform}.tar.xz`;
    const hash = hashes.get(archive);
    if (hash === undefined) throw new Error(`SHA256SUMS does not name ${archive}`);
    return [
      `  ${system} do`,
      `    ${processor} do`,
      `      url "${base}/${archive}"`,
      `      sha256 "${hash}"`,
      '    end',
      '  end',
    ].join('\n');
  });
  return `class GptLoad < Formula
  desc "${description}"
  homepage "${base.replace(/\/releases\/.*$/, '')}"
  version "${version()}"
  license "${license}"

${blocks.join('\n')}

  def install
    bin.install "gpt-load"
    (man1/"gpt-load.1").write Utils.safe_popen_read(bin/"gpt-load", "man")
    generate_completions_from_executable(bin/"gpt-load", "completion")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/gpt-load version")
  end
end
`;
}

/** Writes it into the folder of the archives; returns its name. */
export function writeFormula(folder: string, base: string): string {
  const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8');
  writeFileSync(join(folder, 'gpt-load.rb'), formula(sums, base));
  return 'gpt-load.rb';
}
