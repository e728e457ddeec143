import { attend } from './epoch-script.ts';
import type { Script } from './store.ts';

// KEYS: those of `attend`, index of the repository's claims, its marks.
// ARGV: those of `attend`, id, target, span, key of a claim without its tag.
// A mark: JSON { target, epoch, expires }.

const header = `
${attend}
local id, target, span, claimPrefix = ARGV[7], ARGV[8], tonumber(ARGV[9]), ARGV[10]
local index, marks = KEYS[4], KEYS[5]
local epoch, quarantine, now = attend()
local function set()
  redis.call('HSET', marks, id, cjson.encode({ target = target, epoch = epoch, expires = now + span }))
  redis.call('PEXPIRE', marks, math.max(redis.call('PTTL', marks), span))
end
`;

/** In one step: a push either sees the mark, or has its claim read here. */
export const mark: Script = {
  name: 'mark',
  lua: `${header}
if quarantine > 0 then return { epoch, 'quarantined', quarantine } end
set()
redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
local claimed = {}
for _, tag in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  local digest, needs, base, baseNeeds =
    unpack(redis.call('HMGET', claimPrefix .. tag, 'digest', 'needs', 'base', 'base_needs'))
  if digest then table.insert(claimed, { tag, digest, needs or '[]' }) end
  if base then table.insert(claimed, { tag, base, baseNeeds }) end
end
return { epoch, 'marked', claimed }`,
};

export const armMark: Script = {
  name: 'arm mark',
  lua: `${header}
local known = redis.call('HGET', marks, id)
if not known then return { epoch, 'lost' } end
local its = cjson.decode(known)
if quarantine > 0 or its.epoch ~= epoch or its.expires <= now then return { epoch, 'lost' } end
set()
return { epoch, 'armed', redis.call('INCR', KEYS[3]) }`,
};

export const unmark: Script = {
  name: 'unmark',
  lua: `redis.call('HDEL', KEYS[5], ARGV[7]) return {}`,
};
