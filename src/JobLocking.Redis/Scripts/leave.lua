-- Takes a waiter out of the queue. It may have been woken, so then the oldest waiter is woken if the lock has room, or is kept
-- after a run.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue and waiters
-- KEYS[4]  and KEYS[5]: its holders and limits, if it has a limit above 1
-- ARGV[1]  prefix of a process's channel; the process id follows it
-- ARGV[2]  how many waiters may be notified although no process seems to listen
-- ARGV[3]  waiter id
--
-- Result   nil

local lock, queue, waiters, holders, limits = unpack(KEYS)
local channel_prefix, most_unheard, waiter_id = unpack(ARGV)

local room_after = room_in(lock, holders, limits)
dequeue(queue, waiters, waiter_id)
wake_next(queue, waiters, lock, channel_prefix, most_unheard, room_after)
