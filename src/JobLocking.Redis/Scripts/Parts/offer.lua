-- Part of other scripts: what a look does when the lock has room. Needs values, queue, turn, late and park.

-- How long a wake-up may take to be accepted, ms. After some that were not, where nothing begins, no more are woken than a safety
-- poll finds.
local function accepted_within(late)
  return late < most_late and 1000 or 5000
end

-- Whether the execution that is looked for should try, and in how many ms to look again. The oldest of all goes first, in
-- whichever process: it is woken as by a release. While a wake-up may still be accepted there is no other, however many
-- processes look. One that was not accepted went to a process that is frozen or dead, which may have more in the queue: so then
-- the execution that is looked for tries, whose process is alive. 'woken', 'at' and 'late' are the last wake-up before the look.
local function offer(queue, waiters, lock, id, is_mine, channels, passes, room_after, woken, at, late)
  local now = milliseconds()
  local is_past = woken and at <= now
  if woken ~= id then
    if is_past and now < at + accepted_within(late) then
      return false, at + accepted_within(late) - now
    end
    local told = not is_past and wake_next(queue, waiters, lock, channels, passes, room_after, is_mine and id)
    if told then
      return is_mine and told == id, accepted_within(0)
    end
  end
  late = woken and late + 1 or 0
  if is_mine then
    dequeue(queue, waiters, id)
  end
  woke(waiters, id, now, late)
  return true, accepted_within(late)
end

-- Does for look and look_shared what they have in common, and answers as they say.
local function answer_poll(queue, waiters, lock, arguments, room_after, is_running, left)
  local id, since, patience, process, limit, holder, channels, passes = unpack(arguments, 1, 8)
  local has_room = room_after(tonumber(limit))
  local place, owner = place_of(queue, waiters, id)
  local woken, at, late = last_woken(waiters)
  local was_queued = (place or woken == id) and '1' or '0'

  place = '0'
  if not (has_room and is_running) then
    place = restore(queue, waiters, id, since, patience, process, limit, holder)
    owner = owner or (place ~= '0' and process)
  elseif owner == process then
    dequeue(queue, waiters, id) -- its turn would be in vain as long as its occurrence is running
  end
  local others = restore_all(queue, waiters, process, arguments, 9)

  local is_free = false
  if has_room and not is_running then
    local again
    is_free, again = offer(queue, waiters, lock, id, owner == process, channels, passes, room_after, woken, at, late)
    left = left and left >= 0 and math.min(left, again) or again
    place = is_free and '0' or place
  elseif not has_room and woken and at <= milliseconds() then
    redis.pcall('HDEL', waiters, 'woken') -- it was accepted, or came too late
  end
  return { is_free and 'free' or 'taken', was_queued, place, left, unpack(others) }
end
