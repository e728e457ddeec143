import { holderLimit } from '../../core/claim.ts';
import { attend, rememberedMs } from './epoch-script.ts';
import type { Script } from './store.ts';

// The transitions of core/claim.ts, in the one place where they are atomic over all replicas. One suite, and one
// property over random histories, hold the two together (test/adapters/claims.test.ts).
//
// KEYS: those of `attend`, index of the repository's claims, its marks, one claim for each tag.
// ARGV: those of `attend`, then what `header` names.
// A claim: digest, needs (JSON), confirmed, epoch, and `h:<holder>` = live | unknown | confirmed; while it may take the
// place of a base: base, base_needs, base_expires.

const header = `
${attend}
local digest, holder, needs, span, channel = ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10]), ARGV[11]
local swaps = ARGV[12] == '1'
local index, marks, firstKey, firstTag = KEYS[4], KEYS[5], 5, 12
local tags = #KEYS - firstKey
local function claimKey(i) return KEYS[firstKey + i] end
local function tag(i) return ARGV[firstTag + i] end

local function expireIn(i, left, now)
  redis.call('PEXPIRE', claimKey(i), left)
  redis.call('ZADD', index, now + left, tag(i))
  redis.call('PEXPIRE', index, math.max(redis.call('PTTL', index), left))
end

-- Never shortened: what is on its way must be outlived.
local function prolong(i, now) expireIn(i, math.max(redis.call('PTTL', claimKey(i)), span), now) end

local function tell(i) redis.call('PUBLISH', channel, claimKey(i)) end

local function drop(i)
  redis.call('DEL', claimKey(i))
  redis.call('ZREM', index, tag(i))
end

-- Whether anybody may still write its manifest.
local function mayBeWritten(i)
  local fields = redis.call('HGETALL', claimKey(i))
  for f = 1, #fields, 2 do
    if fields[f]:sub(1, 2) == 'h:' and fields[f + 1] ~= 'confirmed' then return true end
  end
  return false
end

local function forgetBase(i) redis.call('HDEL', claimKey(i), 'base', 'base_needs', 'base_expires') end

local function holderState(i)
  local known, state = unpack(redis.call('HMGET', claimKey(i), 'digest', 'h:' .. holder))
  return known == digest and state or nil
end

local function heldIn(epoch)
  for i = 1, tags do
    if not holderState(i) or redis.call('HGET', claimKey(i), 'epoch') ~= epoch then return false end
  end
  return true
end

-- The target of a delete under way that this manifest needs.
local function marked(now)
  local set = redis.call('HGETALL', marks)
  if #set == 0 then return nil end
  local needed = {}
  for _, name in ipairs(cjson.decode(needs)) do needed[name] = true end
  for m = 1, #set, 2 do
    local mark = cjson.decode(set[m + 1])
    if mark.expires <= now then redis.call('HDEL', marks, set[m])
    elseif needed[mark.target] then return mark.target end
  end
end
`;

/** Replies begin with the epoch in force. */
const attended = `
local epoch, quarantine, now = attend()
`;

/**
 * Only to be heard, and to hear: a replica does this several times a second. Says too whether Redis would throw claims
 * away when its memory is full: they all have a time to live, and so every policy but one may choose them.
 */
export const beat: Script = {
  name: 'beat',
  lua: `${attend}${attended}
redis.call('PEXPIRE', KEYS[3], ${rememberedMs})
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ${rememberedMs})
local memory = redis.call('INFO', 'memory')
local limit = tonumber(memory:match('maxmemory:(%d+)') or 0)
return { epoch, limit > 0 and memory:match('maxmemory_policy:([%w-]+)') or 'noeviction' }`,
};

/** An orderly end: what this replica armed is settled, and nobody need wait for it. */
export const leave: Script = {
  name: 'leave',
  lua: `redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('DEL', KEYS[3]) return {}`,
};

export const claim: Script = {
  name: 'claim',
  lua: `${header}${attended}
-- With what is left of its time: look-ups may lag behind the base for as long.
local function swap(i)
  local its, itsNeeds = unpack(redis.call('HMGET', claimKey(i), 'digest', 'needs'))
  for _, field in ipairs(redis.call('HKEYS', claimKey(i))) do
    if field == 'confirmed' or field:sub(1, 2) == 'h:' then redis.call('HDEL', claimKey(i), field) end
  end
  local expires = now + redis.call('PTTL', claimKey(i))
  redis.call('HSET', claimKey(i), 'digest', digest, 'needs', needs)
  redis.call('HSET', claimKey(i), 'base', its, 'base_needs', itsNeeds, 'base_expires', expires)
end

local given = {}
for i = 1, tags do
  local known, confirmed = unpack(redis.call('HMGET', claimKey(i), 'digest', 'confirmed'))
  if known and known ~= digest then
    given[i] = swaps and confirmed == '1' and not mayBeWritten(i)
    if not given[i] then return { epoch, 'taken', tag(i), known, not swaps and confirmed or '0' } end
  end
end
if quarantine > 0 then return { epoch, 'quarantined', quarantine } end
local target = marked(now)
if target then return { epoch, 'marked', target } end
local finished = {}
for i = 1, tags do
  local its = redis.call('HGET', claimKey(i), 'epoch')
  -- Left over from before the store lost something: it goes with its time.
  if its and its ~= epoch then return { epoch, 'quarantined', math.max(1, redis.call('PTTL', claimKey(i))) } end
  local open, over = 0, {}
  finished[i] = over
  local fields = redis.call('HGETALL', claimKey(i))
  for f = 1, #fields, 2 do
    if fields[f] ~= 'h:' .. holder and fields[f]:sub(1, 2) == 'h:' then
      if fields[f + 1] == 'confirmed' then table.insert(over, fields[f]) else open = open + 1 end
    end
  end
  if open >= ${holderLimit} then return { epoch, 'crowded', tag(i) } end
  if open + #over < ${holderLimit} then finished[i] = {} end
end
local base
for i = 1, tags do
  for _, field in ipairs(finished[i]) do redis.call('HDEL', claimKey(i), field) end
  if given[i] then swap(i) end
  if redis.call('HSETNX', claimKey(i), 'digest', digest) == 1 then
    redis.call('HSET', claimKey(i), 'needs', needs, 'epoch', epoch)
  end
  redis.call('HSETNX', claimKey(i), 'h:' .. holder, 'live')
  prolong(i, now)
  base = base or redis.call('HGET', claimKey(i), 'base')
end
return { epoch, 'held', base or nil }`,
};

export const arm: Script = {
  name: 'arm',
  lua: `${header}${attended}
-- Also while the roll is called: who has not been heard may know of another push.
if quarantine > 0 or not heldIn(epoch) then return { epoch, 'lost' } end
local target = marked(now)
if target then return { epoch, 'marked' } end
for i = 1, tags do prolong(i, now) end
-- Counted: a store that knows of fewer has lost some.
return { epoch, 'armed', redis.call('INCR', KEYS[3]) }`,
};

export const confirm: Script = {
  name: 'confirm',
  lua: `${header}${attended}
if not heldIn(epoch) then return { epoch, 'lost' } end
for i = 1, tags do
  redis.call('HSET', claimKey(i), 'confirmed', '1', 'h:' .. holder, 'confirmed')
  forgetBase(i)
  prolong(i, now)
  tell(i)
end
return { epoch, 'confirmed' }`,
};

export const giveBack: Script = {
  name: 'give back',
  lua: `${header}
local function restoreBase(i)
  local now = millis()
  local base, its, expires = unpack(redis.call('HMGET', claimKey(i), 'base', 'base_needs', 'base_expires'))
  if not base or tonumber(expires) <= now then return drop(i) end
  redis.call('HSET', claimKey(i), 'digest', base, 'needs', its, 'confirmed', '1')
  forgetBase(i)
  expireIn(i, tonumber(expires) - now, now)
end

for i = 1, tags do
  if holderState(i) == 'live' then
    redis.call('HDEL', claimKey(i), 'h:' .. holder)
    if redis.call('HGET', claimKey(i), 'confirmed') ~= '1' and not mayBeWritten(i) then restoreBase(i) end
    tell(i)
  end
end
return {}`,
};

export const leaveUnknown: Script = {
  name: 'leave unknown',
  lua: `${header}
for i = 1, tags do
  if holderState(i) == 'live' then redis.call('HSET', claimKey(i), 'h:' .. holder, 'unknown') end
end
return {}`,
};
