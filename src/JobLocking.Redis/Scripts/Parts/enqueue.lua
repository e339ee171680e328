-- Part of other scripts: gives an execution its place in the queue. Needs values and queue.

-- 50,000 took 18.8 MB (MEMORY USAGE): 380 bytes each, 120 in 'parked' and 260 in 'waiters', so a full queue takes about 42 MB.
-- Beyond the first bound a newcomer is not parked. The rest is for those that have waited already, so that no newcomer passes them.
local most_queued, most_queued_again = 100000, 110000

-- What ZSCORE says since when an execution is queued, µs; nil where that is not ours: beyond 2^53 nothing can be told apart.
local function since_when(score)
  local since = tonumber(score)
  return since and since > 0 and since < 9007199254740992 and whole(since) or nil
end

local function drop_lapsed(queue, waiters, now)
  for _ = 1, most_dropped do
    local id, lapse = oldest(queue, waiters)
    if not id or (lapse and lapse > now) or not dequeue(queue, waiters, id) then
      return
    end
  end
end

-- Since when the execution is queued, µs; '0' if it cannot be. A place that it has already it keeps.
local function enqueue(queue, waiters, id, since, patience, process, limit, holder, has_waited)
  local parked_left, waiters_left = redis.call('PTTL', queue), redis.call('PTTL', waiters)
  local place = redis.pcall('ZSCORE', queue, id)
  if parked_left == -1 or waiters_left == -1 or type(place) == 'table' then
    return '0' -- not ours: ours have a time to live
  end

  local now = microseconds()
  if place then
    place = since_when(place)
    if not place then
      return '0'
    end
    redis.pcall('PEXPIRE', queue, whole(math.max(parked_left, tonumber(patience)))) -- so that it is kept at maxmemory, too
  else
    local most = (has_waited or since ~= '0') and most_queued_again or most_queued
    if redis.call('ZCARD', queue) >= most then
      drop_lapsed(queue, waiters, now / 1000)
      if redis.call('ZCARD', queue) >= most then
        return '0'
      end
    end
    place = since
    if place == '0' then
      local last = redis.call('ZRANGE', queue, '-1', '-1', 'WITHSCORES')[2]
      place = since_when(math.max(last and (tonumber(last) or math.huge) + 1 or 0, now)) -- Garnet's infinity is no number
      if not place then
        return '0' -- who would be behind a stranger's at the end of time
      end
    end
    if redis.pcall('ZADD', queue, place, id) ~= 1 then
      return '0' -- no memory
    end
  end

  local waiter = whole(now / 1000 + tonumber(patience)) .. ':' .. process .. ':' .. limit .. ':' .. holder
  if type(redis.pcall('HSET', waiters, id, waiter)) ~= 'table'
    and redis.pcall('PEXPIRE', queue, whole(math.max(parked_left, tonumber(patience)))) == 1
    and redis.pcall('PEXPIRE', waiters, whole(math.max(waiters_left, tonumber(patience)))) == 1 then
    return place
  end
  dequeue(queue, waiters, id) -- nothing of ours may be without a time to live
  return '0'
end
