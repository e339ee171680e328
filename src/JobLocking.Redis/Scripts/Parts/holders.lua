-- Part of other scripts: the holders of a lock with a limit above 1. Needs values.
--
-- lock     ZSET  lease id → when it expires, ms
-- holders  HASH  lease id → the same text as the value of a lock with limit 1
-- limits   ZSET  lease id → the limit it was acquired with
--
-- All three live until the last of the leases expires.

local function remove(lock, holders, limits, lease)
  redis.call('ZREM', lock, lease)
  redis.pcall('HDEL', holders, lease)
  redis.pcall('ZREM', limits, lease)
end

-- Without a holder, what is left under the other keys belongs to a lock that was deleted by hand; or to a foreign client.
local function is_rest(kind, key)
  local left = redis.call('PTTL', key)
  return left == -2 or (left ~= -1 and is_a(kind, key))
end

-- How many leases hold the lock, without those that have expired by now; nil if a foreign client holds it, or may hold it.
local function holding(lock, holders, limits, now)
  local kind = redis.call('TYPE', lock).ok
  if kind ~= 'none' and kind ~= 'zset' then
    return nil
  end
  while true do
    local first = redis.call('ZRANGE', lock, '0', '0', 'WITHSCORES')
    if not first[1] then
      return is_rest('hash', holders) and is_rest('zset', limits) and 0 or nil
    elseif ask('HEXISTS', holders, first[1]) ~= 1 then
      return nil
    elseif tonumber(first[2]) > now then
      return redis.call('ZCARD', lock)
    end
    remove(lock, holders, limits, first[1])
  end
end

-- The smallest limit of the holders, which applies to all; nil if the key is a foreign client's.
local function smallest(limits)
  local first = ask('ZRANGE', limits, '0', '0', 'WITHSCORES')
  return first and (tonumber(first[2]) or math.huge) or nil
end

-- Whether the lease holds the lock and is not only kept; and its token and holder.
local function owned(lock, holders, lease)
  local value = ask('HGET', holders, lease)
  if type(value) ~= 'string' or not redis.call('ZSCORE', lock, lease) then
    return false
  end
  local id, token, holder = string.match(value, '^([^:]+):(%d+):[^:]*:(.*)$')
  return id == lease, token, holder
end

-- Lets the keys live until the last lease expires.
local function set_lifetime(lock, holders, limits)
  local last = redis.call('ZRANGE', lock, '-1', '-1', 'WITHSCORES')[2]
  if last then
    last = whole(tonumber(last))
    redis.call('PEXPIREAT', lock, last)
    redis.call('PEXPIREAT', holders, last)
    redis.call('PEXPIREAT', limits, last)
  end
end

-- Adds a lease: its description first and its slot last, each with a time to live. If one write fails, nothing of the lease is left.
-- Returns the error, if there is one.
local function add(lock, holders, limits, lease, limit, expiry, value)
  local last = redis.call('ZRANGE', lock, '-1', '-1', 'WITHSCORES')[2]
  last = whole(math.max(expiry, tonumber(last or 0)))
  local is_done, failure = pcall(function()
    redis.call('HSET', holders, lease, value)
    redis.call('PEXPIREAT', holders, last)
    redis.call('ZADD', limits, limit, lease)
    redis.call('PEXPIREAT', limits, last)
    redis.call('ZADD', lock, whole(expiry), lease)
    redis.call('PEXPIREAT', lock, last)
  end)
  if not is_done then
    redis.pcall('HDEL', holders, lease)
    redis.pcall('ZREM', limits, lease)
    redis.pcall('ZREM', lock, lease)
    return type(failure) == 'table' and failure.err or failure
  end
end

-- Sets when a lease that holds the lock expires; and its value, if there is a new one.
local function expire_at(lock, holders, limits, lease, expiry, value)
  local last = redis.call('ZRANGE', lock, '-1', '-1', 'WITHSCORES')[2]
  last = whole(math.max(expiry, tonumber(last or 0)))
  -- A write that maxmemory does not forbid, so that the next is not refused either.
  redis.call('PEXPIREAT', lock, last)
  if value then
    redis.call('HSET', holders, lease, value)
    redis.call('PEXPIREAT', holders, last) -- the lock may have expired just now: no later write would set this
  end
  redis.call('ZADD', lock, 'XX', whole(expiry), lease)
  set_lifetime(lock, holders, limits)
end
