-- Sees whether a parked execution should try; if not, makes sure of its place. And of other places of its process, anyhow.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue, parked and waiters
-- KEYS[4]  the occurrence, if there is one
-- ARGV[1]  parking id
-- ARGV[2]  since when it is parked, µs; '0' behind all others
-- ARGV[3]  when its place lapses, ms from now; '0' to leave it as it is
-- ARGV[4]  process id
-- ARGV[5]  limit
-- ARGV[6]  holder, JSON
-- ARGV[7]… for each other place: parking id, since when, when it lapses, limit, holder; as above
--
-- Result   { 'free', was it parked, '1' or '0' }, and it is not parked any more, unless by another process
--          { 'taken', was it parked, parked since, PTTL of what is in its way }

local lock, parked, waiters, occurrence = unpack(KEYS)

local is_taken = redis.call('EXISTS', lock) == 1
local is_running = occurrence and judge(occurrence, '', true) == 'running'
local place, process = place_of(parked, waiters, ARGV[1])
local was_parked = place and '1' or '0'
keep_all(parked, waiters, ARGV[4], ARGV, 7)
local since = '0'
if is_taken then
  since = keep(parked, waiters, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
else
  if process == ARGV[4] then
    unpark(parked, waiters, ARGV[1]) -- its turn would be in vain as long as its occurrence is running
  end
  if not is_running then
    return { 'free', was_parked }
  end
end
return { 'taken', was_parked, since, redis.call('PTTL', is_running and occurrence or lock) }
