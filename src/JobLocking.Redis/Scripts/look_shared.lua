-- Sees whether a parked execution should try a lock with a limit above 1; if not, makes sure of its place. And of
-- other places of its process, anyhow.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue, parked and waiters
-- KEYS[4]  and KEYS[5]: holders and limits
-- KEYS[6]  the occurrence, if there is one
-- ARGV     as of look
--
-- Result   as of look, with what the holder that ends first has to live

local lock, parked, waiters, holders, limits, occurrence = unpack(KEYS)

local is_running = occurrence and judge(occurrence, '', true) == 'running'

local place, process = place_of(parked, waiters, ARGV[1])
local was_parked = place and '1' or '0'
keep_all(parked, waiters, ARGV[4], ARGV, 7)

local function taken(left)
  local since = keep(parked, waiters, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
  return { 'taken', was_parked, since, is_running and redis.call('PTTL', occurrence) or left }
end

local now = milliseconds()
local live = holding(lock, holders, limits, now)
local least = smallest(limits)
if not live or not least then
  local left = redis.call('PTTL', lock)
  return taken(left == -2 and -1 or left)
end
if live >= math.min(tonumber(ARGV[5]), least) then
  return taken(tonumber(redis.call('ZRANGE', lock, '0', '0', 'WITHSCORES')[2]) - now)
end
if process == ARGV[4] then
  unpark(parked, waiters, ARGV[1]) -- its turn would be in vain as long as its occurrence is running
end
if is_running then
  return { 'taken', was_parked, '0', redis.call('PTTL', occurrence) }
end
return { 'free', was_parked }
