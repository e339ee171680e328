-- Ends the lease, or what is kept of it, with one fencing token, tells the process that holds it, and gives the turn to the
-- oldest that is parked.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue, parked and waiters
-- KEYS[4]  and KEYS[5]: holders and limits
-- ARGV[1]  fencing token
-- ARGV[2]  what comes before the process id in the name of its channel
-- ARGV[3]  how many may be told of their turn in vain
--
-- Result   1 if it was ended, else 0

local lock, queue, waiters, holders, limits = unpack(KEYS)

local function owner(value)
  local lease, token, process = string.match(value, '^([^:]+):(%d+):([^:]*):')
  return token == ARGV[1] and lease, process
end

local live, least = 0, math.huge
local lease, process
local value = read(lock)
if value == '' and is_a('zset', lock) then
  live = holding(lock, holders, limits, milliseconds())
  local all = live and live > 0 and redis.call('HGETALL', holders) or {}
  for i = 1, #all, 2 do
    if owner(all[i + 1]) and redis.call('ZSCORE', lock, all[i]) then
      lease, process = owner(all[i + 1])
      remove(lock, holders, limits, all[i])
      set_lifetime(lock, holders, limits)
      live, least = live - 1, smallest(limits)
      break
    end
  end
elseif value then
  lease, process = owner(value)
  if lease then
    redis.call('DEL', lock)
  end
end
if not lease then
  return 0
end

if process ~= '' then
  -- Who cannot be told finds out at the next renewal.
  redis.pcall('PUBLISH', ARGV[2] .. process, 'broken:' .. lease)
end
wake_next(queue, waiters, lock, ARGV[2], ARGV[3], function(limit)
  return least and live < math.min(limit, least) and 0 or nil
end)
return 1
