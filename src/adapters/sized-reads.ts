import type { Digest } from '../core/reference.ts';
import type { Reading, Unknown } from './patient-reader.ts';
import { RepositoryReads, type BytesFact, type ManifestFact } from './repository-reads.ts';

/** Reads manifests, and keeps count of what was read, of what that names, and of how long it is. */
export class SizedReads extends RepositoryReads {
  readonly #read = new Set<Digest>();
  readonly #named = new Set<Digest>();
  readonly #noManifests = new Set<Digest>();
  readonly #bytes = new Map<string, number>();

  override async readManifest(reading: Reading, digest: Digest): Promise<ManifestFact | Unknown> {
    const fact = await super.readManifest(reading, digest);
    if (fact.state === 'present') for (const blob of fact.needs.blobs) this.#named.add(blob);
    return fact;
  }

  override async readBytes(reading: Reading, digest: Digest): Promise<BytesFact | Unknown> {
    const fact = await super.readBytes(reading, digest);
    if (fact.state !== 'present') return fact;
    this.#read.add(digest);
    this.#bytes.set(digest, fact.bytes.length);
    const root = parse(fact.bytes.toString());
    if (!looksLikeManifest(root)) this.#noManifests.add(digest);
    for (const [named, size] of sizesIn(root)) {
      if (!this.#bytes.has(named)) this.#bytes.set(named, size);
    }
    return fact;
  }

  /** Those that were there. BuildKit's caches list layers where others have manifests: such are blobs. */
  manifests(): readonly Digest[] {
    return [...this.#read].filter((digest) => !this.#isBlob(digest));
  }

  /** Whether they are there was not asked. */
  blobs(): readonly Digest[] {
    return [...this.#named].filter((digest) => !this.#read.has(digest) || this.#isBlob(digest));
  }

  /** As long as it was, or as the first manifest says that names it. */
  bytesOf(digest: Digest): number | undefined {
    return this.#bytes.get(digest);
  }

  #isBlob(digest: Digest): boolean {
    return this.#named.has(digest) && this.#noManifests.has(digest);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function looksLikeManifest(root: unknown): boolean {
  return typeof root === 'object' && root !== null && ('schemaVersion' in root || 'mediaType' in root);
}

function* sizesIn(root: unknown): Generator<readonly [digest: string, size: number]> {
  const nodes = [root];
  // It grows while it is walked.
  for (const node of nodes) {
    if (typeof node !== 'object' || node === null) continue;
    for (const value of Object.values(node) as unknown[]) nodes.push(value);
    if (!('digest' in node && 'size' in node)) continue;
    const { digest, size } = node;
    if (typeof digest === 'string' && typeof size === 'number' && Number.isSafeInteger(size) && size >= 0)
      yield [digest, size];
  }
}
