// `make pin-images`: writes behind the tag of every container image that is built upon or deployed
// beside the digest that its registry names today, which a tag alone does not promise to keep.
// Asks the registry by docker; without docker or network nothing is written.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './node-base.ts';
import { ROOT } from './targets.ts';

const FILES = ['Dockerfile', 'docker-compose.fleet.yml', 'deploy/kubernetes.yaml'] as const;
/** `FROM` or `image:`, an image with its tag, and the digest that may follow. */
const IMAGE =
  /^(FROM (?:--platform=\S+ )?|\s*image: )([\w./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?/gm;

/** The images with their tags that a file of Docker, Compose or Kubernetes names, each once. */
export function imagesOf(text: string): string[] {
  return [...new Set(Array.from(text.matchAll(IMAGE), ([, , image = '']) => image))];
}

/** `text` with each image's digest behind its tag, in place of an older one. */
export function withDigests(text: string, digests: ReadonlyMap<string, string>): string {
  return text.replace(IMAGE, (_line, before: string, image: string) => {
    const digest = digests.get(image);
    if (digest === undefined) throw new Error(`no digest of ${image}`);
    return `${before}${image}@${digest}`;
  });
}

/** Of the index of all platforms. Throws what docker says, or when it names no digest. */
export function digestOf(image: string): string {
  const format = ['--format', '{{json .Manifest}}'];
  const told = run('docker', ['buildx', 'imagetools', 'inspect', image, ...format]);
  const { digest } = JSON.parse(told) as { digest?: unknown };
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw new Error(`docker names no digest of ${image}: ${told.slice(0, 200)}`);
  }
  return digest;
}

function pin(): void {
  const texts = FILES.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')] as const);
  const images = [...new Set(texts.flatMap(([, text]) => imagesOf(text)))];
  const digests = new Map(images.map((image) => [image, digestOf(image)]));
  for (const [file, text] of texts) writeFileSync(join(ROOT, file), withDigests(text, digests));
  for (const [image, digest] of digests) console.log(`${image} ${digest}`);
}

if (import.meta.main) {
  try {
    pin();
  } catch (fault) {
    console.error(`nothing was pinned: ${(fault as Error).message}`);
    process.exitCode = 1;
  }
}
