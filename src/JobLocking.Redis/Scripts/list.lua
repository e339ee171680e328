-- Reads a lock and its waiters, without writing anything.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue and waiters
-- KEYS[4]  its holders, if it has a limit above 1
--
-- Result   nil if it is missing, otherwise
--          { { value, PTTL; of each holder, up to 1000, the one that ends first in front },
--            { queued since in µs, waiter; of each that waits among the oldest 1000 } }
--          The value of a foreign key of another type is ''.

local lock, queue, waiters, holders = unpack(KEYS)
local most = '1000'

-- Members of a ZSET, and their scores.
local function split(reply)
  local members, scores = {}, {}
  for i = 1, #reply, 2 do
    members[#members + 1], scores[#scores + 1] = reply[i], reply[i + 1]
  end
  return members, scores
end

local function many(key, members)
  local values = members[1] and redis.pcall('HMGET', key, unpack(members)) or {}
  return values.err and {} or values
end

local now = milliseconds()

local function held()
  local value = read(lock)
  if value ~= '' or not is_a('zset', lock)
    or redis.pcall('HEXISTS', holders, redis.call('ZRANGE', lock, '0', '0')[1]) ~= 1 then
    return value and { shown(value), redis.call('PTTL', lock) }
  end
  local answer = {}
  local leases, ends = split(redis.call('ZRANGEBYSCORE', lock, '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', '0', most))
  for i, one in ipairs(many(holders, leases)) do
    answer[i * 2 - 1], answer[i * 2] = shown(one), tonumber(ends[i]) - now
  end
  return answer[1] and answer
end

local function waiting()
  local answer = {}
  local reply = redis.pcall('ZRANGE', queue, '0', whole(tonumber(most) - 1), 'WITHSCORES')
  local ids, since = split(reply.err and {} or reply)
  for i, waiter in ipairs(many(waiters, ids)) do
    if waiter and tonumber(string.match(waiter, '^(%d+):') or 0) > now then
      answer[#answer + 1] = since[i]
      answer[#answer + 1] = shown(waiter)
    end
  end
  return answer
end

local holding = held()
return holding and { holding, waiting() } or false
