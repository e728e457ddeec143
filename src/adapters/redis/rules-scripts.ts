import { serverTime } from './server-time.ts';
import type { Script } from './store.ts';

// KEYS: the record of the rules, a hash of
//   lineage        made up when the record is: after its data was lost it is another
//   revision       goes up with each change
//   payload        what the rules say (rules-snapshot.ts)
//   checksum       SHA-256 of the payload, hex
//   new_from       when rules without a time of their own admit first pushes
//   enabled        1 or 0: the switch immutability.enabled
//   enabled_from   when immutable rules admit first pushes after it was switched on
// Times are milliseconds of this server's clock.

const header = `
${serverTime}
local key = KEYS[1]
local function whole(number) return string.format('%.0f', number) end
local function stamp()
  local values = redis.call('HMGET', key, 'lineage', 'revision', 'checksum', 'enabled')
  for i = 1, 4 do values[i] = values[i] or '' end
  return table.concat(values, ':')
end
local function tell(channel) redis.call('PUBLISH', channel, redis.call('HGET', key, 'revision')) end
-- The first position that a switch ever has concerns nothing that is on its way.
local function switch(enabled, wait)
  local was = redis.call('HGET', key, 'enabled')
  if was == enabled then return false end
  local from = was and enabled ~= '0' and millis() + wait or 0
  redis.call('HSET', key, 'enabled', enabled, 'enabled_from', whole(from))
  return true
end
`;

/** ARGV: the stamp of what the caller knows. Replies with a stamp that changes with the record; the payload only then. */
export const lookAtRules: Script = {
  name: 'look at the rules',
  lua: `${header}
local stamp = stamp()
local payload = stamp ~= ARGV[1] and redis.call('HGET', key, 'payload')
local values = redis.call('HMGET', key, 'lineage', 'revision', 'checksum', 'enabled', 'enabled_from', 'new_from')
return { millis(), stamp, payload, unpack(values) }`,
};

/**
 * ARGV: the stamp of what the publication is based on, the least revision to come, the payload, its checksum, the position
 * of the switch, how long first pushes wait for what is new with it, a lineage to begin, the channel.
 * Replies with the revision, or with nothing where something came between.
 */
export const publishRules: Script = {
  name: 'publish rules',
  lua: `${header}
local base, least, payload, checksum, enabled, wait, lineage, channel = unpack(ARGV)
if stamp() ~= base then return false end
local revision = math.max((tonumber(redis.call('HGET', key, 'revision')) or 0) + 1, tonumber(least))
switch(enabled, tonumber(wait))
redis.call('HSETNX', key, 'lineage', lineage)
redis.call('HSET', key, 'revision', whole(revision), 'payload', payload, 'checksum', checksum)
redis.call('HSET', key, 'new_from', whole(wait == '0' and 0 or millis() + wait))
tell(channel)
return revision`,
};

/**
 * ARGV: the position of the switch, how long first pushes wait once it is on again, whether it is only for a record that
 * has none ('1'), a lineage to begin, the channel.
 */
export const switchImmutability: Script = {
  name: 'switch immutability',
  lua: `${header}
local enabled, wait, isDefault, lineage, channel = unpack(ARGV)
if isDefault == '1' and redis.call('HEXISTS', key, 'enabled') == 1 then return false end
if not switch(enabled, tonumber(wait)) then return false end
redis.call('HSETNX', key, 'lineage', lineage)
redis.call('HINCRBY', key, 'revision', 1)
tell(channel)
return true`,
};
