-- Part of other scripts: the queue of a lock. Needs values.
--
-- parked   ZSET  parking id → since when, µs
-- waiters  HASH  parking id → <when its place lapses, ms>:<process id>:<limit>:<holder, JSON>
--
-- Nothing here raises an error: whatever a stranger has left under these keys, locks are granted and released.

local most_parked, most_dropped = 10000, 100

-- The id of the oldest and when its place lapses, its process and its limit; no more than the id if nobody knows.
local function oldest(parked, waiters)
  local id = redis.pcall('ZRANGE', parked, '0', '0')[1]
  local waiter = id and redis.pcall('HGET', waiters, id)
  if type(waiter) ~= 'string' then
    return id
  end
  local lapse, process, limit = string.match(waiter, '^(%d+):([^:]*):(%d+):')
  return id, tonumber(lapse), process, tonumber(limit)
end

-- What ZSCORE says since when an execution is parked, µs; nil where that is not ours: beyond 2^53 nothing can be told apart.
local function since_when(score)
  local since = tonumber(score)
  return since and since > 0 and since < 9007199254740992 and whole(since) or nil
end

-- Whether it was there.
local function unpark(parked, waiters, id)
  redis.pcall('HDEL', waiters, id)
  return redis.pcall('ZREM', parked, id) == 1
end

local function drop_lapsed(parked, waiters, now)
  for _ = 1, most_dropped do
    local id, lapse = oldest(parked, waiters)
    if not id or (lapse and lapse > now) or not unpark(parked, waiters, id) then
      return
    end
  end
end

-- Since when the execution is parked, µs; '0' if it cannot be. A place that it has already it keeps.
local function park(parked, waiters, id, since, patience, process, limit, holder)
  local parked_left, waiters_left = redis.call('PTTL', parked), redis.call('PTTL', waiters)
  local place = redis.pcall('ZSCORE', parked, id)
  if parked_left == -1 or waiters_left == -1 or type(place) == 'table' then
    return '0' -- not ours: ours have a time to live
  end

  local now = microseconds()
  if place then
    place = since_when(place)
    if not place then
      return '0'
    end
    redis.pcall('PEXPIRE', parked, whole(math.max(parked_left, tonumber(patience)))) -- so that it is kept at maxmemory, too
  else
    if redis.call('ZCARD', parked) >= most_parked then
      drop_lapsed(parked, waiters, now / 1000)
      if redis.call('ZCARD', parked) >= most_parked then
        return '0'
      end
    end
    place = since
    if place == '0' then
      local last = redis.call('ZRANGE', parked, '-1', '-1', 'WITHSCORES')[2]
      place = since_when(math.max(last and (tonumber(last) or math.huge) + 1 or 0, now)) -- Garnet's infinity is no number
      if not place then
        return '0' -- who would be behind a stranger's at the end of time
      end
    end
    if redis.pcall('ZADD', parked, place, id) ~= 1 then
      return '0' -- no memory
    end
  end

  local waiter = whole(now / 1000 + tonumber(patience)) .. ':' .. process .. ':' .. limit .. ':' .. holder
  if type(redis.pcall('HSET', waiters, id, waiter)) ~= 'table'
    and redis.pcall('PEXPIRE', parked, whole(math.max(parked_left, tonumber(patience)))) == 1
    and redis.pcall('PEXPIRE', waiters, whole(math.max(waiters_left, tonumber(patience)))) == 1 then
    return place
  end
  unpark(parked, waiters, id) -- nothing of ours may be without a time to live
  return '0'
end

-- The place of an execution, and its process; nothing if it has none, or that has lapsed.
local function place_of(parked, waiters, id)
  local waiter, place = redis.pcall('HGET', waiters, id), redis.pcall('ZSCORE', parked, id)
  if type(waiter) == 'string' and type(place) == 'string' then
    local lapse, process = string.match(waiter, '^(%d+):([^:]*):')
    if lapse and tonumber(lapse) > milliseconds() then
      return since_when(place) or '0', process
    end
  end
end

-- Makes sure of a place. One that another process has taken for the same execution stands: that is where it waits now. Who
-- has no patience gets none that it does not have.
local function keep(parked, waiters, id, since, patience, process, limit, holder)
  local place, other = place_of(parked, waiters, id)
  if patience == '0' or (place and other ~= process) then
    return place or '0'
  end
  return park(parked, waiters, id, since, patience, process, limit, holder)
end

-- Makes sure of the places of a process: five arguments for each, as of a look without the process.
local function keep_all(parked, waiters, process, arguments, first)
  for i = first, #arguments, 5 do
    local id, since, patience, limit, holder = unpack(arguments, i, i + 4)
    keep(parked, waiters, id, since, patience, process, limit, holder)
  end
end

-- Gives the turn to the oldest: takes it out of the queue and tells its process; the next, where nobody listens.
-- 'room_after' says for a limit in how many ms the lock has room, nil if it will not.
-- In a cluster who listens at another node is not counted: 'passes' is how many may be told in vain.
local function turn(parked, waiters, lock, channels, passes, room_after)
  local now, told = nil, 0
  for _ = 1, most_dropped do
    local id, lapse, process, limit = oldest(parked, waiters)
    if not id then
      return
    end
    if not lapse and redis.call('PTTL', parked) == -1 then
      return -- not ours
    end
    now = now or milliseconds()
    local is_waiting = lapse and lapse > now
    local after = is_waiting and room_after(limit)
    if (is_waiting and not after) or not unpark(parked, waiters, id) then
      return
    end
    if is_waiting then
      told = told + 1
      -- Where it may not be published all the queue would be told in vain.
      local heard = redis.pcall('PUBLISH', channels .. process, 'turn:' .. id .. ':' .. whole(after) .. ':' .. lock)
      if heard ~= 0 or told >= tonumber(passes) then
        return
      end
    end
  end
end
