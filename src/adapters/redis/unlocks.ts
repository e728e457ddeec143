import { randomUUID } from 'node:crypto';
import { StoreAway, type Clock } from '../../core/ports.ts';
import type { Unlock, UnlockRequest, Unlocks } from '../../core/unlock.ts';
import { serverTime } from './server-time.ts';
import type { Reply, Script, SharedStore } from './store.ts';

// One hash: id → {"until": milliseconds by Redis's clock, "request": JSON}. What comes and goes is what is left of them.
const header = `
${serverTime}
local now = millis()
`;

const list: Script = {
  name: 'list unlocks',
  lua: `${header}
local found = {}
local fields = redis.call('HGETALL', KEYS[1])
for f = 1, #fields, 2 do
  -- What makes no sense unlocks nothing.
  local isJson, unlock = pcall(cjson.decode, fields[f + 1])
  local left = isJson and type(unlock) == 'table' and (tonumber(unlock['until']) or 0) - now or 0
  if left <= 0 then redis.call('HDEL', KEYS[1], fields[f])
  else table.insert(found, { fields[f], left, unlock.request }) end
end
return found`,
};

const add: Script = {
  name: 'unlock',
  lua: `${header}
local left = tonumber(ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({ ['until'] = now + left, request = ARGV[3] }))
return left`,
};

const end: Script = {
  name: 'end an unlock',
  lua: `return redis.call('HDEL', KEYS[1], ARGV[1])`,
};

/** The unlocks that all replicas share; none of them keeps any, so that what has ended has ended everywhere. */
export class RedisUnlocks implements Unlocks {
  readonly #store: SharedStore;
  readonly #clock: Clock;

  constructor(store: SharedStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async all(): Promise<readonly Unlock[]> {
    // Counted from before the question: they seem to end rather earlier than they do.
    const askedMs = this.#clock.nowMs();
    const found = await this.#store.run(list, [this.#key], []);
    return (found as readonly Reply[]).map((reply) => {
      const [id, leftMs, request] = reply as readonly [string, number, string];
      return { ...parseRequest(request), id, untilMs: askedMs + leftMs };
    });
  }

  async add(request: UnlockRequest, lifetimeMs: number): Promise<Unlock> {
    const id = randomUUID();
    const askedMs = this.#clock.nowMs();
    await this.#store.runDurably(add, [this.#key], [id, lifetimeMs, JSON.stringify(request)]);
    return { ...request, id, untilMs: askedMs + lifetimeMs };
  }

  async end(id: string): Promise<boolean> {
    return (await this.#store.runDurably(end, [this.#key], [id])) === 1;
  }

  get #key(): string {
    return this.#store.key('unlocks');
  }
}

/** @throws StoreAway where somebody else wrote it: what it unlocks nobody knows */
function parseRequest(text: string): UnlockRequest {
  try {
    return JSON.parse(text) as UnlockRequest;
  } catch (error) {
    throw new StoreAway('an unlock makes no sense', { cause: error });
  }
}
