import type { Clock, Ledger, LedgerEntry, Sighting } from '../../core/ports.ts';
import { isDigest, type Digest, type Repository, type Tag } from '../../core/reference.ts';
import { serverTime } from './server-time.ts';
import type { Reply, Script, SharedStore } from './store.ts';

// One hash for each repository: tag → {"digest", "first", "last"}, the times by Redis's clock. What comes and goes are
// ages, for no replica's clock is compared with another's.
const header = `
local ledger, tag = KEYS[1], ARGV[1]
${serverTime}
local now = millis()
local sizes = { sha256 = 64, sha384 = 96, sha512 = 128 }

local function isDigest(value)
  local algorithm, hex = tostring(value):match('^(%w+):([0-9a-f]+)$')
  return hex and #hex == sizes[algorithm]
end

-- Whatever somebody else may have written there: what makes no sense is as none.
local function recall(tag)
  local isJson, entry = pcall(cjson.decode, redis.call('HGET', ledger, tag) or '')
  if not isJson or type(entry) ~= 'table' or not isDigest(entry.digest) then return nil end
  local first, last = tonumber(entry.first), tonumber(entry.last)
  if not first or not last or not (0 <= first and first <= last and last <= now) then return nil end
  return { digest = entry.digest, first = first, last = last }
end
`;

/** ARGV: tags. */
const recall: Script = {
  name: 'recall',
  lua: `${header}
local entries = {}
for i, tag in ipairs(ARGV) do
  local entry = recall(tag)
  entries[i] = entry and { entry.digest, now - entry.first, now - entry.last } or false
end
return entries`,
};

const note: Script = {
  name: 'note',
  lua: `${header}
local digest, was, seen = ARGV[2], ARGV[3], now - ARGV[4]
local entry = recall(tag)
if (entry and entry.digest or '') ~= was then return 0 end
local first, last = seen, seen
if entry and was == digest then first, last = entry.first, math.max(entry.last, seen) end
redis.call('HSET', ledger, tag, cjson.encode({ digest = digest, first = first, last = last }))
return 1`,
};

const forget: Script = {
  name: 'forget',
  lua: `${header}
local entry = recall(tag)
if not entry or entry.digest ~= ARGV[2] then return 0 end
return redis.call('HDEL', ledger, tag)`,
};

/** So many tags in one script: Redis does nothing else meanwhile. */
const recalledAtOnce = 500;

/** The ledger that all replicas share. */
export class RedisLedger implements Ledger {
  readonly #store: SharedStore;
  readonly #clock: Clock;

  constructor(store: SharedStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async recall(repository: Repository, tag: Tag): Promise<LedgerEntry | undefined> {
    return (await this.recallAll(repository, [tag])).get(tag);
  }

  async recallAll(repository: Repository, tags: readonly Tag[]): Promise<ReadonlyMap<Tag, LedgerEntry>> {
    const entries = new Map<Tag, LedgerEntry>();
    for (let from = 0; from < tags.length; from += recalledAtOnce) {
      const asked = tags.slice(from, from + recalledAtOnce);
      const replies = (await this.#run(recall, repository, ...asked)) as readonly Reply[];
      // Counted from when the answer is here: what was seen seems rather newer than it is, never older.
      const nowMs = this.#clock.nowMs();
      for (const [index, tag] of asked.entries()) {
        const entry = entryOf(replies[index] ?? null, nowMs);
        if (entry) entries.set(tag, entry);
      }
    }
    return entries;
  }

  async note({ repository, tag, digest, seenMs, was }: Sighting): Promise<boolean> {
    const ageMs = Math.max(0, Math.round(this.#clock.nowMs() - seenMs));
    return (await this.#run(note, repository, tag, digest, was ?? '', ageMs)) === 1;
  }

  async forget(repository: Repository, tag: Tag, was: Digest): Promise<boolean> {
    return (await this.#run(forget, repository, tag, was)) === 1;
  }

  /** The store is not the ledger's own. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #run(script: Script, repository: Repository, ...args: readonly (string | number)[]): Promise<Reply> {
    return this.#store.run(script, [this.#store.key('ledger', repository)], args);
  }
}

function entryOf(reply: Reply, nowMs: number): LedgerEntry | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [digest, firstAgeMs, lastAgeMs] = reply as readonly Reply[];
  if (typeof digest !== 'string' || !isDigest(digest)) return undefined;
  return { digest, firstSeenMs: nowMs - Number(firstAgeMs), lastSeenMs: nowMs - Number(lastAgeMs) };
}
