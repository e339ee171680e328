-- Part of other scripts: puts a waiter into the queue. Needs values and queue.

-- 50,000 waiters took 18.8 MB (MEMORY USAGE): 380 bytes each, 120 in 'queue' and 260 in 'waiters'. A full queue takes about 42 MB.
-- Beyond the first limit a newcomer is not queued. The rest is for those that have waited before: no newcomer overtakes them.
local most_queued, most_queued_again = 100000, 110000

-- Since when a waiter is queued, µs, by its ZSCORE; nil if that is not ours: beyond 2^53 scores cannot be told apart.
local function since_when(score)
  local since = tonumber(score)
  return since and since > 0 and since < 9007199254740992 and whole(since) or nil
end

local function drop_lapsed(queue, waiters, now)
  for _ = 1, most_dropped do
    local id, lapses_at = oldest(queue, waiters)
    if not id or (lapses_at and lapses_at > now) or not dequeue(queue, waiters, id) then
      return
    end
  end
end

-- Returns since when the waiter is queued, µs; '0' if it cannot be queued. A waiter that is queued already keeps its position.
local function enqueue(queue, waiters, id, since, lapse_after, process, limit, holder, has_waited)
  local queue_left, waiters_left = redis.call('PTTL', queue), redis.call('PTTL', waiters)
  local score = redis.pcall('ZSCORE', queue, id)
  if queue_left == -1 or waiters_left == -1 or type(score) == 'table' then
    return '0' -- not ours: ours have a time to live
  end

  local now = microseconds()
  local queued_since
  if score then
    queued_since = since_when(score)
    if not queued_since then
      return '0'
    end
    redis.pcall('PEXPIRE', queue, whole(math.max(queue_left, tonumber(lapse_after)))) -- so that it is kept at maxmemory, too
  else
    local most = (has_waited or since ~= '0') and most_queued_again or most_queued
    if redis.call('ZCARD', queue) >= most then
      drop_lapsed(queue, waiters, now / 1000)
      if redis.call('ZCARD', queue) >= most then
        return '0'
      end
    end
    queued_since = since
    if queued_since == '0' then
      local last = redis.call('ZRANGE', queue, '-1', '-1', 'WITHSCORES')[2]
      queued_since = since_when(math.max(last and (tonumber(last) or math.huge) + 1 or 0, now)) -- Garnet's infinity is no number
      if not queued_since then
        return '0' -- it would be behind a foreign member with the highest score
      end
    end
    if redis.pcall('ZADD', queue, queued_since, id) ~= 1 then
      return '0' -- no memory
    end
  end

  local waiter = whole(now / 1000 + tonumber(lapse_after)) .. ':' .. process .. ':' .. limit .. ':' .. holder
  if type(redis.pcall('HSET', waiters, id, waiter)) ~= 'table'
    and redis.pcall('PEXPIRE', queue, whole(math.max(queue_left, tonumber(lapse_after)))) == 1
    and redis.pcall('PEXPIRE', waiters, whole(math.max(waiters_left, tonumber(lapse_after)))) == 1 then
    return queued_since
  end
  dequeue(queue, waiters, id) -- none of our keys may be without a time to live
  return '0'
end
