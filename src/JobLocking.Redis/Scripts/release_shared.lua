-- Ends a lease of a lock with a limit above 1 if it still holds it. In any case, marks the occurrence that it ran. If the
-- lock has room then, or is kept, wakes the oldest waiter.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue and waiters
-- KEYS[4]  and KEYS[5]: its holders and limits
-- KEYS[6]  the mark of a deferral that it has spent without a run, if there is one
-- KEYS[n]  the last: the occurrence, if there is one
-- ARGV     as those of release
--
-- Result   'released', 'theirs' or 'missing'

local lock, queue, waiters, holders, limits = unpack(KEYS)
local lease, keep, ended_mark, retention, channel_prefix, most_unheard, spends = unpack(ARGV)
local spent = spends == '1' and KEYS[6]
local occurrence = KEYS[spent and 7 or 6]

local mark = occurrence and read(occurrence)
local spent_by = spent and read(spent)
local now = milliseconds()
local live = holding(lock, holders, limits, now)

local result = (live == 0 or redis.call('EXISTS', lock) == 0) and 'missing' or 'theirs'
local soon -- in how many ms one more slot is free; nil if that is not known
if live and live > 0 then
  local is_mine, token, holder = owned(lock, holders, lease)
  if is_mine and keep == '0' then
    remove(lock, holders, limits, lease)
    set_lifetime(lock, holders, limits)
    live = live - 1
  elseif is_mine then
    expire_at(lock, holders, limits, lease, now + tonumber(keep), 'kept:' .. token .. '::' .. holder)
    soon = tonumber(keep)
  end
  result = is_mine and 'released' or 'theirs'
end

if occurrence then
  mark_ended(occurrence, mark, lease, ended_mark, retention)
end
if spent then
  unspend(spent, spent_by, lease)
end
local least = smallest(limits)
if least and (live or result == 'missing') then
  wake_next(queue, waiters, lock, channel_prefix, most_unheard, function(limit)
    local spare = math.min(limit, least) - (live or 0)
    return spare > 0 and 0 or (spare == 0 and soon) or nil
  end)
end
return result
