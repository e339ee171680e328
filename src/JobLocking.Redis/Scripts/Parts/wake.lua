-- Part of other scripts: wakes the oldest waiter. Needs values and queue.

-- Remembers the last wake-up while others wait. Each of our keys has a time to live, this one too where scripts interleave.
local function remember_woken(waiters, id, at, not_accepted)
  local left = redis.pcall('PTTL', waiters)
  local value = whole(at) .. ':' .. id .. ((not_accepted or 0) > 0 and ':' .. whole(not_accepted) or '')
  if type(left) == 'number' and left > 0 and type(redis.pcall('HSET', waiters, 'woken', value)) == 'number' then
    redis.pcall('PEXPIRE', waiters, whole(left))
  end
end

-- Wakes the oldest waiter: takes it out of the queue and notifies its process; the next waiter, if that process does not listen.
-- Returns the id of the woken waiter, nil for none.
-- room_after(limit)  in how many ms the lock has room for a waiter with this limit; nil if it has none
-- most_unheard       how many waiters may be notified although no process seems to listen. In a cluster only the listeners of one node
--                    are counted: then it is '1', and the first notification counts as heard
-- mine               a waiter whose process need not be notified, since it sees the result
-- not_accepted       how many wake-ups in a row before this one were not accepted; nil for none
local function wake_next(queue, waiters, lock, channel_prefix, most_unheard, room_after, mine, not_accepted)
  local now, notified = nil, 0
  for _ = 1, most_dropped do
    local id, lapses_at, process, limit = oldest(queue, waiters)
    if not id then
      return
    end
    if not lapses_at and redis.call('PTTL', queue) == -1 then
      return -- not ours
    end
    now = now or milliseconds()
    local is_waiting = lapses_at and lapses_at > now
    local after = is_waiting and room_after(limit)
    if (is_waiting and not after) or not dequeue(queue, waiters, id) then
      return
    end
    if is_waiting then
      notified = notified + 1
      local heard = id == mine or redis.pcall('PUBLISH', channel_prefix .. process, 'wake:' .. id .. ':' .. whole(after) .. ':' .. lock)
      if type(heard) == 'table' then
        return -- Without the right to publish, the whole queue would be emptied and no waiter notified.
      end
      if heard ~= 0 or most_unheard == '1' then
        remember_woken(waiters, id, now + after, not_accepted)
        return id
      end
      if notified >= tonumber(most_unheard) then
        return
      end
    end
  end
end
