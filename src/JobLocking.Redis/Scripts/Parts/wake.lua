-- Part of other scripts: the turn of the next in the queue. Needs values and queue.

-- Remembers the last wake-up while others wait. Every key of ours has a time to live, this one too where scripts interleave.
local function woke(waiters, id, at, late)
  local left = redis.pcall('PTTL', waiters)
  local value = whole(at) .. ':' .. id .. ((late or 0) > 0 and ':' .. whole(late) or '')
  if type(left) == 'number' and left > 0 and type(redis.pcall('HSET', waiters, 'woken', value)) == 'number' then
    redis.pcall('PEXPIRE', waiters, whole(left))
  end
end

-- Gives the turn to the oldest: takes it out of the queue and tells its process; the next, where nobody listens.
-- 'room_after' says for a limit in how many ms the lock has room, nil if it will not.
-- In a cluster who listens at another node is not counted: 'passes' is how many may be told in vain, '1' where that is not known.
-- 'mine' is an execution whose process need not be told, since it hears the result: the id of the woken execution, nil for none.
-- 'late' wake-ups in a row before this one were not accepted; nil for none.
local function wake_next(queue, waiters, lock, channels, passes, room_after, mine, late)
  local now, told = nil, 0
  for _ = 1, most_dropped do
    local id, lapse, process, limit = oldest(queue, waiters)
    if not id then
      return
    end
    if not lapse and redis.call('PTTL', queue) == -1 then
      return -- not ours
    end
    now = now or milliseconds()
    local is_waiting = lapse and lapse > now
    local after = is_waiting and room_after(limit)
    if (is_waiting and not after) or not dequeue(queue, waiters, id) then
      return
    end
    if is_waiting then
      told = told + 1
      local heard = id == mine or redis.pcall('PUBLISH', channels .. process, 'wake:' .. id .. ':' .. whole(after) .. ':' .. lock)
      if type(heard) == 'table' then
        return -- Where it may not be published all the queue would be told in vain.
      end
      if heard ~= 0 or passes == '1' then
        woke(waiters, id, now + after, late)
        return id
      end
      if told >= tonumber(passes) then
        return
      end
    end
  end
end
