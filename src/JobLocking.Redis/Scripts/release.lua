-- Ends a lease if it still holds the lock. In any case, marks the occurrence that it ran. If the lock is free then, or
-- kept, wakes the oldest waiter.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue and waiters
-- KEYS[4]  the mark of a deferral that it has spent without a run, if there is one
-- KEYS[n]  the last: the occurrence, if there is one
-- ARGV[1]  lease id
-- ARGV[2]  how long the lock stays taken, ms; '0' frees it
-- ARGV[3]  the mark of an occurrence that was run; '' removes the mark of an unfinished run
-- ARGV[4]  how long that mark is kept, ms
-- ARGV[5]  prefix of a process's channel; the process id follows it
-- ARGV[6]  how many waiters may be notified although no process seems to listen
-- ARGV[7]  '1' if it has spent a deferral without a run
--
-- Result   'released', 'theirs', 'missing'; or 'shared', if leases with a limit above 1 may hold the lock: then nothing was written

local lock, queue, waiters = unpack(KEYS)
local lease, keep, ended_mark, retention, channel_prefix, most_unheard, spends = unpack(ARGV)
local spent = spends == '1' and KEYS[4]
local occurrence = KEYS[spent and 5 or 4]

local value = read(lock)
if value == '' and is_a('zset', lock) then
  return 'shared'
end
local mark = occurrence and read(occurrence)
local spent_by = spent and read(spent)

local result = 'missing'
local after = 0 -- in how many ms the lock is free; nil if that is not known
if value then
  local id, token, holder = string.match(value, '^([^:]+):(%d+):[^:]*:(.*)$')
  if id ~= lease then
    result = 'theirs'
    after = nil
  elseif keep == '0' then
    result = 'released'
    redis.call('DEL', lock)
  else
    result = 'released'
    after = tonumber(keep)
    set(lock, 'kept:' .. token .. '::' .. holder, keep)
  end
end

if occurrence then
  mark_ended(occurrence, mark, lease, ended_mark, retention)
end
if spent then
  unspend(spent, spent_by, lease)
end
if after then
  wake_next(queue, waiters, lock, channel_prefix, most_unheard, function() return after end)
end
return result
