-- The safety poll of a waiter. If the lock has room, wakes the oldest waiter, of whichever process; otherwise makes sure that the polled
-- waiter is queued. In both cases makes sure that other waiters of its process are.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue and waiters
-- KEYS[4]  the occurrence, if there is one
-- ARGV[1]  waiter id
-- ARGV[2]  since when it is queued, µs; '0' behind all others
-- ARGV[3]  after how many ms its entry lapses; '0' to leave it as it is
-- ARGV[4]  process id
-- ARGV[5]  limit
-- ARGV[6]  holder, JSON
-- ARGV[7]  prefix of a process's channel; the process id follows it
-- ARGV[8]  how many waiters may be notified although no process seems to listen
-- ARGV[9]… for each other waiter: waiter id, since when, after how many ms it lapses, limit, holder; as above
--
-- Result   { 'free' or 'taken', was it queued, '1' or '0', queued since, when to poll again, ms, and since when each other is queued }
--          'free': it should try, and has left the queue, unless another process has put it there
--          When to poll again: when what is in its way ends, or when a wake-up should have been accepted; -1 if it is not known

local lock, queue, waiters, occurrence = unpack(KEYS)

local is_taken = redis.call('EXISTS', lock) == 1
local is_running = occurrence and judge(occurrence, '', true) == 'running'
local in_the_way = (is_running and occurrence) or (is_taken and lock)
return answer_poll(queue, waiters, lock, ARGV, function()
  return not is_taken and 0 or nil
end, is_running, in_the_way and redis.call('PTTL', in_the_way))
