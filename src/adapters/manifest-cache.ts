import type { ManifestNeeds } from '../core/manifest.ts';
import { StoreAway } from '../core/ports.ts';
import { RecentlyUsed } from '../core/recently-used.ts';
import type { Digest } from '../core/reference.ts';
import type { Reading, Unknown } from './patient-reader.ts';
import type { ManifestFact, RepositoryReads } from './repository-reads.ts';

/** What a manifest needs never changes: it is in its digest. */
export interface KnownManifest {
  readonly sha256: Digest;
  readonly needs: ManifestNeeds;
}

/** Where replicas share what they have parsed. Both methods throw StoreAway. */
export interface ManifestStore {
  recall(digest: Digest): Promise<KnownManifest | undefined>;
  keep(digest: Digest, manifest: KnownManifest): Promise<void>;
}

/** Of so many digests at most in each of two generations, about 100 bytes each. */
const keptDigests = 150_000;

/** Manifests that were read once, by digest: in this process, and in what replicas share. */
export class ManifestCache {
  readonly #reads: RepositoryReads;
  readonly #store: ManifestStore | undefined;
  readonly #known = new RecentlyUsed<KnownManifest>(
    keptDigests,
    ({ needs }) => 2 + needs.children.length + needs.blobs.length + needs.subjects.length,
  );

  constructor(reads: RepositoryReads, store?: ManifestStore) {
    this.#reads = reads;
    this.#store = store;
  }

  /**
   * What is known of a manifest, whether or not it is still there; else what the upstream has.
   * @throws CredentialsRefused
   */
  async read(reading: Reading, digest: Digest): Promise<ManifestFact | Unknown> {
    const known = this.#known.find(digest) ?? (await this.#recall(digest));
    if (known) return { state: 'present', ...known };
    const fact = await this.#reads.readManifest(reading, digest);
    if (fact.state === 'present') this.learn(digest, fact);
    return fact;
  }

  /** Takes note of a manifest that was read, or pushed. */
  learn(digest: Digest, { sha256, needs }: KnownManifest): void {
    const manifest = compact({ sha256, needs });
    this.#known.keep(digest, manifest);
    this.#store?.keep(digest, manifest).catch(ignoreAway);
  }

  async #recall(digest: Digest): Promise<KnownManifest | undefined> {
    const shared = await this.#store?.recall(digest).catch(ignoreAway);
    if (shared) this.#known.keep(digest, shared);
    return shared;
  }
}

/** Digests that were cut out of a document keep all of it in memory. */
function compact(manifest: KnownManifest): KnownManifest {
  return JSON.parse(JSON.stringify(manifest)) as KnownManifest;
}

function ignoreAway(error: unknown): undefined {
  if (!(error instanceof StoreAway)) throw error;
  return undefined;
}
