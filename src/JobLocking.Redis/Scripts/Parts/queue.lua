-- Part of other scripts: the queue of a lock.
--
-- queue   ZSET  waiter id → since when, µs
-- waiters  HASH  waiter id → <when its place lapses, ms>:<process id>:<limit>:<holder, JSON>
--                'woken'    → <when, ms>:<waiter id>, the last wake-up, until an execution leaves the queue; and :<how many in
--                             a row before it were not accepted>, if any
--
-- Nothing here, nor in the parts that need this one, raises an error: whatever a stranger has left under these keys, locks are
-- granted and released.

local most_dropped = 100

-- The id of the oldest and when its place lapses, its process and its limit; no more than the id if nobody knows.
local function oldest(queue, waiters)
  local id = redis.pcall('ZRANGE', queue, '0', '0')[1]
  local waiter = id and redis.pcall('HGET', waiters, id)
  if type(waiter) ~= 'string' then
    return id
  end
  local lapse, process, limit = string.match(waiter, '^(%d+):([^:]*):(%d+):')
  return id, tonumber(lapse), process, tonumber(limit)
end

-- Whether it was there.
local function dequeue(queue, waiters, id)
  redis.pcall('HDEL', waiters, id, 'woken')
  return redis.pcall('ZREM', queue, id) == 1
end
