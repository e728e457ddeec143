import { serverTime } from './server-time.ts';

/** A replica that was not heard for so long is not remembered any more. */
export const rememberedMs = 24 * 3600 * 1000;

/**
 * The beginning of every script that must know whether the store still has what it was told (docs/redis.md).
 *
 * A store has an *epoch*, `<generation>-<uuid>`. A replica hands over the epoch that it saw last and how many claims
 * and marks it has armed. A store that knows fewer armings of this replica, or an epoch that did not follow from the
 * replica's, has lost writes: it came back without its data, or from a backup, or another server took over before
 * it had them. Claims that nobody remembers may then stand for PUTs that are on their way, and so a new epoch begins,
 * in which nothing is claimed for the lifetime of a claim. An epoch that began so is `flagged`: who comes later with one
 * of a lower generation adopts it.
 *
 * A store that nobody knew is new. It admits claims after a grace, in which a running replica that knew another is heard.
 *
 * Whenever another server answers (a restart, a failover) there is a roll call: nothing is claimed until every replica
 * that was heard shortly before has been heard again, and could say what is missing; one that died in the same moment
 * is waited for as long as its claims could have lived. Each of these clauses is there because the model breaks without
 * it (docs/model.md).
 */
export const attend = `
${serverTime}
local function generation(epoch) return tonumber((epoch or ''):match('^%d+')) or 0 end

-- How long nothing may be claimed because replicas have not been heard since the server changed.
local function rollCall(store, replicas, id, lifetime, grace, now)
  local server = redis.call('INFO', 'server'):match('run_id:(%w+)') or '?'
  local known, since = unpack(redis.call('HMGET', store, 'server', 'server_since'))
  if known ~= server then
    redis.call('HSET', store, 'server', server, 'server_since', now)
    since = now
  end
  redis.call('ZADD', replicas, now, id)
  since = tonumber(since)
  if now >= since + lifetime then return 0 end
  local missing = redis.call('ZCOUNT', replicas, since - lifetime, '(' .. since)
  -- The grace is for one that this server has never heard of.
  return math.max(missing > 0 and 250 or 0, since + grace - now)
end

-- KEYS: store, replicas, arms. ARGV: replica, known epoch, armed, uuid, lifetime, grace.
local function attend()
  local store, replicas, arms = KEYS[1], KEYS[2], KEYS[3]
  local id, known, armed, uuid = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
  local lifetime, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
  local now = millis()
  local epoch, flagged, admits = unpack(redis.call('HMGET', store, 'epoch', 'flagged', 'admits_from'))
  local counted = tonumber(redis.call('GET', arms) or 0)
  local isLoss = false
  if known ~= '' then
    if not epoch then isLoss = true
    elseif epoch == known then isLoss = counted < armed
    else isLoss = flagged ~= '1' or generation(epoch) <= generation(known) end
  end
  if not epoch or isLoss then
    epoch = string.format('%d-%s', math.max(generation(epoch), generation(known)) + 1, uuid)
    admits = now + (isLoss and lifetime or grace)
    redis.call('HSET', store, 'epoch', epoch, 'flagged', isLoss and '1' or '0', 'admits_from', admits)
  elseif epoch ~= known and counted < armed then
    -- It comes later, from a master that was cut off, and may have armed there since the quarantine began.
    admits = math.max(tonumber(admits), now + lifetime)
    redis.call('HSET', store, 'admits_from', admits)
  end
  if epoch ~= known then redis.call('SET', arms, math.max(counted, armed), 'PX', ${rememberedMs}) end
  local missing = rollCall(store, replicas, id, lifetime, grace, now)
  return epoch, math.max(missing, tonumber(admits) - now), now
end
`;
