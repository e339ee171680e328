-- Ends the lease, or what is kept of it, with one fencing token, notifies the process that holds it, and wakes the oldest waiter.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue and waiters
-- KEYS[4]  and KEYS[5]: its holders and limits, if it has a limit above 1
-- ARGV[1]  fencing token
-- ARGV[2]  prefix of a process's channel; the process id follows it
-- ARGV[3]  how many waiters may be notified although no process seems to listen
--
-- Result   1 if it was ended, else 0

local lock, queue, waiters, holders, limits = unpack(KEYS)
local broken_token, channel_prefix, most_unheard = unpack(ARGV)

local function owner(value)
  local lease, token, process = string.match(value, '^([^:]+):(%d+):([^:]*):')
  return token == broken_token and lease, process
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
  -- A process that cannot be notified finds out at its next renewal.
  redis.pcall('PUBLISH', channel_prefix .. process, 'broken:' .. lease)
end
wake_next(queue, waiters, lock, channel_prefix, most_unheard, function(limit)
  return least and live < math.min(limit, least) and 0 or nil
end)
return 1
