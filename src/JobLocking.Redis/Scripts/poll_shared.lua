-- The safety poll of a waiter for a lock with a limit above 1. Does what poll does.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue and waiters
-- KEYS[4]  and KEYS[5]: its holders and limits
-- KEYS[6]  the occurrence, if there is one
-- ARGV     as those of poll
--
-- Result   as that of poll; what is in its way is the holder that ends first

local lock, queue, waiters, holders, limits, occurrence = unpack(KEYS)

local is_running = occurrence and judge(occurrence, '', true) == 'running'
local now = milliseconds()
local live = holding(lock, holders, limits, now)
local least = smallest(limits)

local left
if is_running then
  left = redis.call('PTTL', occurrence)
elseif not live or not least then
  left = redis.call('PTTL', lock)
  left = left == -2 and -1 or left
elseif live > 0 then
  left = tonumber(redis.call('ZRANGE', lock, '0', '0', 'WITHSCORES')[2]) - now
end
return answer_poll(queue, waiters, lock, ARGV, function(limit)
  return live and least and live < math.min(limit, least) and 0 or nil
end, is_running, left)
