import { randomBytes } from 'node:crypto';
import { RegistryError } from '../../core/errors.ts';
import { StoreAway } from '../../core/ports.ts';
import { sealKeyBytes } from '../upload-seals.ts';
import type { Script, SharedStore } from './store.ts';

/**
 * A list of keys in base64, the one to seal with first. Each replica gives what it knows, so that a Redis that has lost
 * its data gets all of it back; whatever is new the others are told of. ARGV: the channel, the limit of the list, a fresh
 * key, which only an empty list takes, and the keys that are known.
 */
const share: Script = {
  name: 'share the keys of uploads',
  lua: `
local list, channel, limit, fresh = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local kept = {}
for _, key in ipairs(redis.call('LRANGE', list, 0, -1)) do kept[key] = true end
local function add(key)
  if kept[key] or redis.call('LLEN', list) >= limit then return end
  redis.call('RPUSH', list, key)
  redis.call('PUBLISH', channel, 'more')
end
for i = 4, #ARGV do add(ARGV[i]) end
if redis.call('LLEN', list) == 0 then add(fresh) end
return redis.call('LRANGE', list, 0, -1)`,
};

const keyLimit = 8;
const retryMs = 1_000;

/** The keys by which all replicas seal and open the locations of uploads. */
export class SharedSealKeys {
  readonly #store: SharedStore;
  readonly #fresh = randomBytes(sealKeyBytes);
  #known: readonly Buffer[] = [];
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(store: SharedStore) {
    this.#store = store;
  }

  /** Resolves when they are known; or Redis is away, and they will be when it is back. */
  static async open(store: SharedStore): Promise<SharedSealKeys> {
    const keys = new SharedSealKeys(store);
    await keys.#share();
    store.subscribe(keys.#channel, () => void keys.#share());
    return keys;
  }

  /** @throws RegistryError UNAVAILABLE while Redis has been away since the start */
  current(): readonly [Buffer, ...Buffer[]] {
    const [first, ...others] = this.#known;
    if (first) return [first, ...others];
    throw new RegistryError('UNAVAILABLE', {
      message: 'the key of uploads is not known yet; try again',
      retryAfterSeconds: 5,
    });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
  }

  get #channel(): string {
    return this.#store.key('seal-keys-changed');
  }

  async #share(): Promise<void> {
    clearTimeout(this.#retry);
    const texts = [this.#fresh, ...this.#known].map((key) => key.toString('base64'));
    try {
      const list = this.#store.key('seal-keys');
      const reply = await this.#store.run(share, [list], [this.#channel, keyLimit, ...texts]);
      const kept = (Array.isArray(reply) ? reply : []).map((text) => Buffer.from(String(text), 'base64'));
      const good = kept.filter((key) => key.length === sealKeyBytes);
      this.#known = [...good, ...this.#known.filter((known) => !good.some((key) => key.equals(known)))];
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error;
      if (!this.#isClosed) this.#retry = setTimeout(() => void this.#share(), retryMs).unref();
    }
  }
}
