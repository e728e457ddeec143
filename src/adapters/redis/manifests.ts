import type { ManifestNeeds } from '../../core/manifest.ts';
import { isDigest, type Digest } from '../../core/reference.ts';
import type { KnownManifest, ManifestStore } from '../manifest-cache.ts';
import type { Script, SharedStore } from './store.ts';

/** A week: what is walked again within that is not read again. */
const keptSeconds = 7 * 24 * 3600;

const recall: Script = { name: 'recall a manifest', lua: `return redis.call('GET', KEYS[1])` };
const keep: Script = {
  name: 'keep a manifest',
  lua: `redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) return 1`,
};

/** What manifests need, as replicas parsed them: by digest, and so for ever true. */
export class RedisManifests implements ManifestStore {
  readonly #store: SharedStore;

  constructor(store: SharedStore) {
    this.#store = store;
  }

  async recall(digest: Digest): Promise<KnownManifest | undefined> {
    const reply = await this.#store.run(recall, [this.#keyOf(digest)], []);
    return typeof reply === 'string' ? knownIn(reply) : undefined;
  }

  async keep(digest: Digest, manifest: KnownManifest): Promise<void> {
    await this.#store.run(keep, [this.#keyOf(digest)], [JSON.stringify(manifest), keptSeconds]);
  }

  #keyOf(digest: Digest): string {
    return this.#store.key('manifest', digest);
  }
}

/** Whatever somebody else may have written there: what makes no sense is as none. */
function knownIn(text: string): KnownManifest | undefined {
  try {
    const { sha256, needs } = JSON.parse(text) as {
      sha256?: unknown;
      needs?: Partial<Record<string, unknown>>;
    };
    const [children, blobs, subjects] = ['children', 'blobs', 'subjects'].map((name) =>
      digestsIn(needs?.[name]),
    );
    if (typeof sha256 !== 'string' || !isDigest(sha256) || !children || !blobs || !subjects) return undefined;
    return { sha256, needs: { children, blobs, subjects } satisfies ManifestNeeds };
  } catch {
    return undefined;
  }
}

function digestsIn(value: unknown): readonly Digest[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const digests = value.filter((item) => typeof item === 'string').filter(isDigest);
  return digests.length === value.length ? digests : undefined;
}
