-- Ends a lease if it still holds the lock, and marks the occurrence it ran whether or not it does; forgets an execution that
-- waits no more. If the lock is free then, or kept, it is the turn of the oldest that is parked.
--
-- KEYS[1]  the lock
-- KEYS[2]  and KEYS[3]: its queue, parked and waiters
-- KEYS[4]  the mark of a deferral that it has spent without a run, if there is one
-- KEYS[n]  the last: the occurrence, if there is one
-- ARGV[1]  lease id; '' where only a wait ends
-- ARGV[2]  how long the lock stays taken, ms; '0' frees it
-- ARGV[3]  the mark of an occurrence that was run; '' removes the mark of an unfinished run
-- ARGV[4]  how long that mark is kept, ms
-- ARGV[5]  waiter id; '' for none
-- ARGV[6]  what comes before the process id in the name of its channel
-- ARGV[7]  how many may be told of their turn in vain
-- ARGV[8]  '1' if it has spent a deferral without a run
-- ARGV[9]  the id of an execution that was woken and has not asked in time; '' for none. Then the next is woken only if that
--          wake-up was the last one, and at most three in a row were not accepted
--
-- Result   'released', 'theirs', 'missing'; or 'shared', if leases with a limit above 1 may hold the lock, and nothing was written

local lock, queue, waiters = unpack(KEYS)
local spent = ARGV[8] == '1' and KEYS[4]
local occurrence = KEYS[spent and 5 or 4]
local lease, keep, waiter_id = ARGV[1], ARGV[2], ARGV[5]

local value = read(lock)
if value == '' and is_a('zset', lock) then
  return 'shared'
end
local mark = occurrence and read(occurrence)
local spent_by = spent and read(spent)

local result = 'missing'
local late, is_over = unaccepted_after(waiters, ARGV[9])
local after = 0 -- until the lock is free, ms; nil if it is not said when
if value then
  local id, token, holder = string.match(value, '^([^:]+):(%d+):[^:]*:(.*)$')
  if id ~= lease then
    result = 'theirs'
    after = lease == '' and id == 'kept' and redis.call('PTTL', lock) or nil
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
  mark_ended(occurrence, mark, lease, ARGV[3], ARGV[4])
end
if spent then
  unspend(spent, spent_by, lease)
end
if waiter_id ~= '' then
  dequeue(queue, waiters, waiter_id)
end
if after and not is_over then
  wake_next(queue, waiters, lock, ARGV[6], ARGV[7], function() return after end, nil, late)
end
return result
