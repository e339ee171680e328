-- Declines a wake-up: wakes the oldest waiter if the lock has room, or is kept after a run.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue and waiters
-- KEYS[4]  and KEYS[5]: its holders and limits, if it has a limit above 1
-- ARGV[1]  prefix of a process's channel; the process id follows it
-- ARGV[2]  how many waiters may be notified although no process seems to listen
-- ARGV[3]  id of the waiter that was woken and has not asked in time, if it may still ask. Then another is woken only if that
--          wake-up was the last one, and if at most three in a row were not accepted
--
-- Result   nil

local lock, queue, waiters, holders, limits = unpack(KEYS)
local channel_prefix, most_unheard, not_accepted_by = unpack(ARGV)

local not_accepted, is_over = not_accepted_after(waiters, not_accepted_by)
if not is_over then
  wake_next(queue, waiters, lock, channel_prefix, most_unheard, room_in(lock, holders, limits), nil, not_accepted)
end
