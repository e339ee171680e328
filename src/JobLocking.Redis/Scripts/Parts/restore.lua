-- Part of other scripts: restores waiters that should be in the queue. Needs values, queue and enqueue.

-- Since when a waiter is queued, and its process; nothing if it is not queued, or if its entry has lapsed.
local function queued(queue, waiters, id)
  local waiter, score = redis.pcall('HGET', waiters, id), redis.pcall('ZSCORE', queue, id)
  if type(waiter) == 'string' and type(score) == 'string' then
    local lapses_at, process = string.match(waiter, '^(%d+):([^:]*):')
    if lapses_at and tonumber(lapses_at) > milliseconds() then
      return since_when(score) or '0', process
    end
  end
end

-- Makes sure that a waiter is queued. The entry of another process for the same waiter stays: it waits there now. With
-- 'lapse_after' 0 a waiter that is not queued is not put into the queue.
local function restore(queue, waiters, id, since, lapse_after, process, limit, holder)
  local queued_since, other = queued(queue, waiters, id)
  if lapse_after == '0' or (queued_since and other ~= process) then
    return queued_since or '0'
  end
  return enqueue(queue, waiters, id, since, lapse_after, process, limit, holder, true)
end

-- Makes sure that other waiters of a process are queued: five arguments for each, as those of a poll, without the process. Returns
-- since when each is queued.
local function restore_all(queue, waiters, process, arguments, first)
  local queued_since = {}
  for i = first, #arguments, 5 do
    local id, since, lapse_after, limit, holder = unpack(arguments, i, i + 4)
    queued_since[#queued_since + 1] = restore(queue, waiters, id, since, lapse_after, process, limit, holder)
  end
  return queued_since
end
