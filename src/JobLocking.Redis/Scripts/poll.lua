-- Sees whether a parked execution should try; if not, makes sure of its place. And of other places of its process, anyhow.
-- If the lock has room it is the turn of the oldest that is queued, whichever process has parked it.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue, parked and waiters
-- KEYS[4]  the occurrence, if there is one
-- ARGV[1]  waiter id
-- ARGV[2]  since when it is queued, µs; '0' behind all others
-- ARGV[3]  when its place lapses, ms from now; '0' to leave it as it is
-- ARGV[4]  process id
-- ARGV[5]  limit
-- ARGV[6]  holder, JSON
-- ARGV[7]  what comes before the process id in the name of its channel
-- ARGV[8]  how many may be told of their turn in vain
-- ARGV[9]… for each other place: waiter id, since when, when it lapses, limit, holder; as above
--
-- Result   { 'free' or 'taken', was it queue, '1' or '0', parked since, when to look again, ms, and since when each other is parked }
--          'free': it should try, and is not parked any more, unless by another process
--          When to look again: when what is in its way ends, or when a wake-up should have been accepted; -1 if it is not known

local lock, queue, waiters, occurrence = unpack(KEYS)

local is_taken = redis.call('EXISTS', lock) == 1
local is_running = occurrence and judge(occurrence, '', true) == 'running'
local in_the_way = (is_running and occurrence) or (is_taken and lock)
return answer_poll(queue, waiters, lock, ARGV, function()
  return not is_taken and 0 or nil
end, is_running, in_the_way and redis.call('PTTL', in_the_way))
