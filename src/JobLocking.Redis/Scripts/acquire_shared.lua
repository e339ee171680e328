-- Acquires a lock with a limit above 1 for a lease, or says which leases hold it. Needs scripts that run in isolation.
-- With limit 1 it acquires the lock as acquire does, if what held it has expired or gone meanwhile: the answer is final.
--
-- KEYS[1]  the lock
-- KEYS[2]  its last fencing token
-- KEYS[3]  and KEYS[4]: its queue and waiters
-- KEYS[5]  and KEYS[6]: its holders and limits
-- KEYS[7]  the mark of the deferral that the lease spends, if it spends one
-- KEYS[n]  the last: the occurrence, if there is one
-- ARGV[1]  lease id
-- ARGV[2]  expiry of the lease, ms
-- ARGV[3]  process id
-- ARGV[4]  holder, JSON
-- ARGV[5]  how long the key of the last fencing token is kept once the clock has passed the token, ms
-- ARGV[6]  '1' for a retry, which may run an occurrence that has failed or ended
-- ARGV[7]  limit
-- ARGV[8]  prefix of a process's channel; the process id follows it
-- ARGV[9]  how many waiters may be notified although no process seems to listen
-- ARGV[10] '1' if it asks whether the process of a holder is gone
-- ARGV[11] waiter id, if it is to be queued when it is refused
-- ARGV[12] since when it is queued, µs; '0' behind all others
-- ARGV[13] after how many ms its entry lapses
-- ARGV[14] how long a spent deferral is remembered, ms, if the lease spends one
--
-- Result   as that of acquire, with value and PTTL of each holder, at most 100, the one that ends first in front

local lock, fence, queue, waiters, holders, limits = unpack(KEYS)
local lease, expiry, process, holder, retention, is_retry, limit, channel_prefix, most_unheard, asks = unpack(ARGV, 1, 10)
local waiter_id, since, lapse_after, spent_for = unpack(ARGV, 11)
local spent = spent_for and KEYS[7]
local occurrence = KEYS[spent and 8 or 7]

local now = milliseconds()
local live = holding(lock, holders, limits, now)
local least = smallest(limits)
local has_room = live and least and live < math.min(tonumber(limit), least)

local function queued_since()
  return waiter_id and enqueue(queue, waiters, waiter_id, since, lapse_after, process, limit, holder) or '0'
end

local function refusal(values)
  local gone = asks == '1' and is_gone(values, holder, process, channel_prefix, most_unheard)
  return { gone and 'gone' or 'contended', queued_since() }
end

local function contended()
  if not live then
    local left = redis.call('PTTL', lock)
    local value = is_a('zset', lock) and '' or read(lock)
    local answer = refusal({ value })
    answer[3], answer[4] = shown(value), left == -2 and -1 or left
    return answer
  end
  local first, leases = redis.call('ZRANGE', lock, '0', '99', 'WITHSCORES'), {}
  for i = 1, #first, 2 do
    leases[#leases + 1] = first[i]
  end
  local values = redis.call('HMGET', holders, unpack(leases))
  local answer = refusal(values)
  for i, value in ipairs(values) do
    answer[i * 2 + 1], answer[i * 2 + 2] = shown(value), tonumber(first[i * 2]) - now
  end
  return answer
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
  -- Several holders may have died at once, and no waiter was woken for that.
  wake_next(queue, waiters, lock, channel_prefix, most_unheard, function(next_limit)
    return live < math.min(tonumber(limit), least, next_limit) and 0 or nil
  end)
  return { 'granted', token }
end

if spent and is_spent(spent, lease) then
  return { 'spent' }
end
if occurrence then
  local outcome, mark = judge(occurrence, lease, is_retry == '1')
  if outcome == 'running' then
    return { outcome, has_room and '0' or queued_since(), shown(mark), redis.call('PTTL', occurrence) }
  elseif outcome then
    return { outcome, shown(mark) }
  end
end

if live and least and live > 0 then
  local is_mine, token = owned(lock, holders, lease)
  if is_mine then
    expire_at(lock, holders, limits, lease, now + tonumber(expiry)) -- the answer to the first request was lost
    return granted(token)
  end
end
if not has_room then
  return contended()
end

local token, kept = next_token(read(fence), retention)
if not token then
  return { 'unfenced' }
end
if live == 0 and redis.call('EXISTS', holders, limits) > 0 then
  redis.call('DEL', holders, limits)
  least = math.huge
end
local value = lease .. ':' .. token .. ':' .. process .. ':' .. holder
if limit == '1' then
  if not redis.call('SET', lock, value, 'NX', 'PX', expiry) then
    live = nil
    return contended()
  end
  redis.call('SET', fence, token, 'PX', kept)
  live = 1
  return granted(token)
end

redis.call('SET', fence, token, 'PX', kept)
local failure = add(lock, holders, limits, lease, limit, now + tonumber(expiry), value)
if failure then
  return { err = failure }
end
live = live + 1
return granted(token)
