-- Part of other scripts: the waiting queue of a lock.
--
-- queue    ZSET  waiter id → since when it is queued, µs
-- waiters  HASH  waiter id → <when its entry lapses, ms>:<process id>:<limit>:<holder, JSON>
--                'woken'   → <when, ms>:<waiter id>, the last wake-up, until a waiter leaves the queue; and :<how many in a row
--                            before it were not accepted>, if any
--
-- Nothing here, nor in the parts that need this one, raises an error: whatever a foreign client has left under these keys, locks are
-- granted and released.

local most_dropped = 100

-- The id of the oldest waiter, when its entry lapses, its process and its limit; only the id if the rest is not known.
local function oldest(queue, waiters)
  local id = redis.pcall('ZRANGE', queue, '0', '0')[1]
  local waiter = id and redis.pcall('HGET', waiters, id)
  if type(waiter) ~= 'string' then
    return id
  end
  local lapses_at, process, limit = string.match(waiter, '^(%d+):([^:]*):(%d+):')
  return id, tonumber(lapses_at), process, tonumber(limit)
end

-- Takes a waiter out of the queue. Returns whether it was there.
local function dequeue(queue, waiters, id)
  redis.pcall('HDEL', waiters, id, 'woken')
  return redis.pcall('ZREM', queue, id) == 1
end
