-- Ends a lease of a lock with a limit above 1 if it still holds it, and marks the occurrence it ran whether or not it does;
-- forgets an execution that waits no more. If the lock has room then, or will, it is the turn of the oldest that is parked.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue, parked and waiters
-- KEYS[4]  and KEYS[5]: holders and limits
-- KEYS[6]  the mark of a deferral that it has spent without a run, if there is one
-- KEYS[n]  the last: the occurrence, if there is one
-- ARGV     as of release
--
-- Result   'released', 'theirs' or 'missing'

local lock, queue, waiters, holders, limits = unpack(KEYS)
local spent = ARGV[8] == '1' and KEYS[6]
local occurrence = KEYS[spent and 7 or 6]
local lease, keep, waiter_id = ARGV[1], ARGV[2], ARGV[5]

local mark = occurrence and read(occurrence)
local spent_by = spent and read(spent)
local now = milliseconds()
local live = holding(lock, holders, limits, now)
local late, is_over = unaccepted_after(waiters, ARGV[9])

local result = (live == 0 or redis.call('EXISTS', lock) == 0) and 'missing' or 'theirs'
local soon -- until one more is free, ms; nil if it is not said when
if live and live > 0 then
  local is_mine, token, holder = owned(lock, holders, lease)
  if is_mine and keep == '0' then
    remove(lock, holders, limits, lease)
    set_lifetime(lock, holders, limits)
    live = live - 1
  elseif is_mine then
    expire_at(lock, holders, limits, lease, now + tonumber(keep), 'kept:' .. token .. '::' .. holder)
    soon = tonumber(keep)
  elseif lease == '' then
    local first = redis.call('ZRANGE', lock, '0', '0', 'WITHSCORES')
    soon = starts(redis.call('HGET', holders, first[1]), 'kept:') and tonumber(first[2]) - now or nil
  end
  result = is_mine and 'released' or 'theirs'
end

if occurrence then
  mark_ended(occurrence, mark, lease, ARGV[3], ARGV[4])
end
if spent then
  unspend(spent, spent_by, lease)
end
if waiter_id ~= '' then
  dequeue(queue, waiters, waiter_id)
end
local least = smallest(limits)
if least and (live or result == 'missing') and not is_over then
  wake_next(queue, waiters, lock, ARGV[6], ARGV[7], function(limit)
    local spare = math.min(limit, least) - (live or 0)
    return spare > 0 and 0 or (spare == 0 and soon) or nil
  end, nil, late)
end
return result
