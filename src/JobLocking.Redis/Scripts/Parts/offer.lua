-- Part of other scripts: what a safety poll does if the lock has room. Needs values, queue, wake, unaccepted and restore.

-- How much time a waiter has to accept a wake-up, ms. After some that were not accepted it has more: then no more waiters are woken
-- than safety polls find.
local function time_to_accept(not_accepted)
  return not_accepted < most_not_accepted and 1000 or 5000
end

-- Whether the polled waiter should try, and in how many ms to poll again. The oldest waiter goes first, in whichever process: it is
-- woken as by a release. While a wake-up may still be accepted there is no other, however many processes poll. One that was not
-- accepted went to a process that is frozen or dead, which may have more waiters in the queue: then the polled waiter tries, whose
-- process is alive. 'woken', 'at' and 'not_accepted' are the last wake-up before the poll.
local function offer(queue, waiters, lock, id, is_mine, channel_prefix, most_unheard, room_after, woken, at, not_accepted)
  local now = milliseconds()
  local is_past = woken and at <= now
  if woken ~= id then
    if is_past and now < at + time_to_accept(not_accepted) then
      return false, at + time_to_accept(not_accepted) - now
    end
    local next_id = not is_past and wake_next(queue, waiters, lock, channel_prefix, most_unheard, room_after, is_mine and id)
    if next_id then
      return is_mine and next_id == id, time_to_accept(0)
    end
  end
  not_accepted = woken and not_accepted + 1 or 0
  if is_mine then
    dequeue(queue, waiters, id)
  end
  remember_woken(waiters, id, now, not_accepted)
  return true, time_to_accept(not_accepted)
end

-- Does what poll and poll_shared have in common, and returns their result.
local function answer_poll(queue, waiters, lock, arguments, room_after, is_running, left)
  local id, since, lapse_after, process, limit, holder, channel_prefix, most_unheard = unpack(arguments, 1, 8)
  local has_room = room_after(tonumber(limit))
  local queued_since, owner = queued(queue, waiters, id)
  local woken, at, not_accepted = last_woken(waiters)
  local was_queued = (queued_since or woken == id) and '1' or '0'

  queued_since = '0'
  if not (has_room and is_running) then
    queued_since = restore(queue, waiters, id, since, lapse_after, process, limit, holder)
    owner = owner or (queued_since ~= '0' and process)
  elseif owner == process then
    dequeue(queue, waiters, id) -- it could not use a wake-up as long as its occurrence is running
  end
  local others = restore_all(queue, waiters, process, arguments, 9)

  local is_free = false
  if has_room and not is_running then
    local again
    is_free, again = offer(queue, waiters, lock, id, owner == process, channel_prefix, most_unheard, room_after, woken, at, not_accepted)
    left = left and left >= 0 and math.min(left, again) or again
    queued_since = is_free and '0' or queued_since
  elseif not has_room and woken and at <= milliseconds() then
    redis.pcall('HDEL', waiters, 'woken') -- it was accepted, or came too late
  end
  return { is_free and 'free' or 'taken', was_queued, queued_since, left, unpack(others) }
end
