-- Acquires a lock for a lease, or says which lease holds it. The grant is one SET NX; what can fail is read before it.
--
-- KEYS[1]  the lock
-- KEYS[2]  its last fencing token
-- KEYS[3]  and KEYS[4]: its queue and waiters, if there is a waiter
-- KEYS[5]  the mark of the deferral that the lease spends, if it spends one
-- KEYS[n]  the last: the occurrence, if there is one
-- ARGV[1]  lease id
-- ARGV[2]  expiry of the lease, ms
-- ARGV[3]  process id
-- ARGV[4]  holder, JSON
-- ARGV[5]  how long the key of the last fencing token is kept once the clock has passed the token, ms
-- ARGV[6]  '1' for a retry, which may run an occurrence that has failed or ended
-- ARGV[7]  waiter id, if it is to be queued when it is refused
-- ARGV[8]  since when it is queued, µs; '0' behind all others
-- ARGV[9]  after how many ms its entry lapses
-- ARGV[10] how long a spent deferral is remembered, ms, if the lease spends one
-- ARGV[11] and ARGV[12], if it asks whether the process of the holder is gone; the four before are '' where they are missing then:
--          prefix of a process's channel, the process id follows it; how many waiters may be notified although no process seems to listen
--
-- Result   { 'granted', token }
--          { 'contended', queued since, value of the lock, PTTL }
--          { 'gone', … } likewise, if the process of the holder is gone
--          { 'running', queued since, value of the occurrence, PTTL }
--          { 'succeeded', 'failed' or 'ended', value of the occurrence }
--          { 'spent' }, if the deferral was spent by another lease
--          { 'unfenced' }, if the key of the last fencing token holds none; nothing was written
--          { 'shared' }, if leases with a limit above 1 may hold the lock; nothing was written

local lock, fence, queue, waiters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease, expiry, process, holder, retention, is_retry, waiter_id, since, lapse_after, spent_for = unpack(ARGV)
local channel_prefix, most_unheard = ARGV[11], ARGV[12]
waiter_id = waiter_id ~= '' and waiter_id
local spent = spent_for and spent_for ~= '' and KEYS[5]
local occurrence = KEYS[spent and 6 or waiter_id and 5 or 3]

local function queued_since()
  return waiter_id and enqueue(queue, waiters, waiter_id, since, lapse_after, process, 1, holder) or '0'
end

local function contended(value)
  if value == '' and is_a('zset', lock) then
    return { 'shared' }
  end
  local gone = channel_prefix and is_gone({ value }, holder, process, channel_prefix, most_unheard)
  return { gone and 'gone' or 'contended', queued_since(), shown(value), redis.call('PTTL', lock) }
end

local function granted(token)
  if occurrence then
    mark_running(occurrence, lease, holder, expiry)
  end
  if spent then
    spend(spent, lease, spent_for)
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
  local outcome, mark = judge(occurrence, lease, is_retry == '1')
  if outcome == 'running' then
    local queued = redis.call('EXISTS', lock) == 1 and queued_since() or '0'
    return { outcome, queued, shown(mark), redis.call('PTTL', occurrence) }
  elseif outcome then
    return { outcome, shown(mark) }
  end
end

-- One command for both, though a lock that is taken needs no new token. It does not find a key of another type: that is read
-- separately.
local found = redis.call('MGET', lock, fence)
local value = found[1] or (redis.call('EXISTS', lock) == 1 and read(lock))
if value then
  local id, token = string.match(value, '^([^:]+):(%d+):[^:]*:')
  if id ~= lease then
    return contended(value)
  end
  -- The answer to the first request was lost. Where scripts do not run in isolation the lease can end right here.
  if redis.pcall('PEXPIRE', lock, expiry) == 1 then
    return granted(token)
  end
end

local token, kept = next_token(found[2] or read(fence), retention)
if not token then
  return { 'unfenced' }
end
if not redis.call('SET', lock, lease .. ':' .. token .. ':' .. process .. ':' .. holder, 'NX', 'PX', expiry) then
  return contended(read(lock))
end
redis.call('SET', fence, token, 'PX', kept)
return granted(token)
