-- Takes a lock for a lease, or says who has it. The grant rests on one SET NX; whatever can fail is read before it.
--
-- KEYS[1]  the lock
-- KEYS[2]  its fence: the fencing token minted last
-- KEYS[3]  and KEYS[4]: its queue, parked and waiters, if the asker would be parked
-- KEYS[5]  the mark of the deferral that it spends, if it may be parked and spends one
-- KEYS[n]  the last: the occurrence, if there is one
-- ARGV[1]  lease id
-- ARGV[2]  expiry of the lease, ms
-- ARGV[3]  process id
-- ARGV[4]  holder, JSON
-- ARGV[5]  how long the fence is kept once the clock has passed its token, ms
-- ARGV[6]  '1' for a retry, which may run an occurrence that has failed
-- ARGV[7]  to be parked: waiter id
-- ARGV[8]  to be parked: since when, µs; '0' behind all others
-- ARGV[9]  to be parked: when its place lapses, ms from now
-- ARGV[10] to spend a deferral: how long that is remembered, ms
--
-- Result   { 'granted', token }
--          { 'contended', parked since, value of the lock, PTTL }
--          { 'running', parked since, value of the occurrence, PTTL }
--          { 'succeeded' or 'failed', value of the occurrence }
--          { 'spent' }, if the deferral was spent by another lease
--          { 'unfenced' }, if the fence holds no token, and nothing was written
--          { 'shared' }, if leases with a limit above 1 may hold it, and nothing was written

local lock, fence, queue, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease, expiry, process, holder = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local waiter_id = ARGV[7]
local spent = ARGV[10] and KEYS[5]
local occurrence = KEYS[spent and 6 or waiter_id and 5 or 3]

local function queued_since()
  return waiter_id and enqueue(queue, waiters, waiter_id, ARGV[8], ARGV[9], process, 1, holder) or '0'
end

local function contended(value)
  if value == '' and is_a('zset', lock) then
    return { 'shared' }
  end
  return { 'contended', queued_since(), shown(value), redis.call('PTTL', lock) }
end

local function granted(token)
  if occurrence then
    mark_running(occurrence, lease, holder, expiry)
  end
  if spent then
    spend(spent, lease, ARGV[10])
  end
  if waiter_id then
    dequeue(queue, waiters, waiter_id)
  end
  return { 'granted', token }
end

if spent and is_spent(spent, lease) then
  return { 'spent' }
end
if occurrence then
  local outcome, mark = judge(occurrence, lease, ARGV[6] == '1')
  if outcome == 'running' then
    local since = redis.call('EXISTS', lock) == 1 and queued_since() or '0'
    return { outcome, since, shown(mark), redis.call('PTTL', occurrence) }
  elseif outcome then
    return { outcome, shown(mark) }
  end
end

-- One command for both, though a lock that is taken needs no fence. It does not find a key of another type: that is read by
-- itself.
local found = redis.call('MGET', lock, fence)
local value = found[1] or (redis.call('EXISTS', lock) == 1 and read(lock))
if value then
  local id, token = string.match(value, '^([^:]+):(%d+):[^:]*:')
  if id ~= lease then
    return contended(value)
  end
  -- The answer to the first try was lost. Where scripts do not run in isolation the lease can end right here.
  if redis.pcall('PEXPIRE', lock, expiry) == 1 then
    return granted(token)
  end
end

local token, kept = next_token(found[2] or read(fence), ARGV[5])
if not token then
  return { 'unfenced' }
end
if not redis.call('SET', lock, lease .. ':' .. token .. ':' .. process .. ':' .. holder, 'NX', 'PX', expiry) then
  return contended(read(lock))
end
redis.call('SET', fence, token, 'PX', kept)
return granted(token)
