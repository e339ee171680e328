-- Takes a lock with a limit above 1 for a lease, or says who has it. Rests on scripts that run in isolation.
-- With the limit 1 it takes it as acquire does, if what held it has expired or gone meanwhile: the answer is final.
--
-- KEYS[1]  the lock
-- KEYS[2]  its fence: the fencing token minted last
-- KEYS[3]  and KEYS[4]: its queue, parked and waiters
-- KEYS[5]  and KEYS[6]: holders and limits
-- KEYS[7]  the mark of the deferral that it spends, if it may be parked and spends one
-- KEYS[n]  the last: the occurrence, if there is one
-- ARGV[1]  lease id
-- ARGV[2]  expiry of the lease, ms
-- ARGV[3]  process id
-- ARGV[4]  holder, JSON
-- ARGV[5]  how long the fence is kept once the clock has passed its token, ms
-- ARGV[6]  '1' for a retry, which may run an occurrence that has failed
-- ARGV[7]  limit
-- ARGV[8]  what comes before the process id in the name of its channel
-- ARGV[9]  how many may be told of their turn in vain
-- ARGV[10] to be parked: waiter id
-- ARGV[11] to be parked: since when, µs; '0' behind all others
-- ARGV[12] to be parked: when its place lapses, ms from now
-- ARGV[13] to spend a deferral: how long that is remembered, ms
--
-- Result   as of acquire, with value and PTTL of each holder in turn, at most 100, the one that ends first in front

local lock, fence, queue, waiters, holders, limits = unpack(KEYS)
local lease, expiry, process, holder, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[7])
local waiter_id = ARGV[10]
local spent = ARGV[13] and KEYS[7]
local occurrence = KEYS[spent and 8 or 7]

local now = milliseconds()
local live = holding(lock, holders, limits, now)
local least = smallest(limits)
local has_room = live and least and live < math.min(limit, least)

local function queued_since()
  return waiter_id and enqueue(queue, waiters, waiter_id, ARGV[11], ARGV[12], process, ARGV[7], holder) or '0'
end

local function contended()
  local answer = { 'contended', queued_since() }
  if not live then
    local left = redis.call('PTTL', lock)
    answer[3], answer[4] = shown(is_a('zset', lock) and '' or read(lock)), left == -2 and -1 or left
    return answer
  end
  local first, leases = redis.call('ZRANGE', lock, '0', '99', 'WITHSCORES'), {}
  for i = 1, #first, 2 do
    leases[#leases + 1] = first[i]
  end
  for i, value in ipairs(redis.call('HMGET', holders, unpack(leases))) do
    answer[i * 2 + 1], answer[i * 2 + 2] = shown(value), tonumber(first[i * 2]) - now
  end
  return answer
end

local function granted(token)
  if occurrence then
    mark_running(occurrence, lease, holder, expiry)
  end
  if spent then
    spend(spent, lease, ARGV[13])
  end
  if waiter_id then
    dequeue(queue, waiters, waiter_id)
  end
  -- Several holders may have died at once, and nobody has told those who wait.
  wake_next(queue, waiters, lock, ARGV[8], ARGV[9], function(next_limit)
    return live < math.min(limit, least, next_limit) and 0 or nil
  end)
  return { 'granted', token }
end

if spent and is_spent(spent, lease) then
  return { 'spent' }
end
if occurrence then
  local outcome, mark = judge(occurrence, lease, ARGV[6] == '1')
  if outcome == 'running' then
    return { outcome, has_room and '0' or queued_since(), shown(mark), redis.call('PTTL', occurrence) }
  elseif outcome then
    return { outcome, shown(mark) }
  end
end

if live and least and live > 0 then
  local is_mine, token = owned(lock, holders, lease)
  if is_mine then
    expire_at(lock, holders, limits, lease, now + tonumber(expiry)) -- the answer to the first try was lost
    return granted(token)
  end
end
if not has_room then
  return contended()
end

local token, kept = next_token(read(fence), ARGV[5])
if not token then
  return { 'unfenced' }
end
if live == 0 and redis.call('EXISTS', holders, limits) > 0 then
  redis.call('DEL', holders, limits)
  least = math.huge
end
local value = lease .. ':' .. token .. ':' .. process .. ':' .. holder
if limit == 1 then
  if not redis.call('SET', lock, value, 'NX', 'PX', expiry) then
    live = nil
    return contended()
  end
  redis.call('SET', fence, token, 'PX', kept)
  live = 1
  return granted(token)
end

redis.call('SET', fence, token, 'PX', kept)
local failure = add(lock, holders, limits, lease, ARGV[7], now + tonumber(expiry), value)
if failure then
  return { err = failure }
end
live = live + 1
return granted(token)
