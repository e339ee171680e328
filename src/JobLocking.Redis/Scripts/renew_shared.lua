-- Renews leases of locks with a limit above 1: each lives for its expiry from now, or longer if it has longer to live. Never re-creates
-- one; one that fails harms no other.
--
-- KEYS     for each lease: its lock, holders and limits, and its occurrence if it has one
-- ARGV     for each lease: lease id, expiry in ms, number of its keys (3 or 4)
--
-- Result   a letter for each lease: 'r' renewed, 't' theirs, 'm' missing, '-' for an error. An array of replies would be most of
--          what a renewal costs the client

local now = milliseconds()

local function renew(lock, holders, limits, lease, expiry)
  if redis.call('EXISTS', lock) == 0 then
    return 'missing'
  elseif not is_a('zset', lock) then
    return 'theirs'
  end
  local ends = tonumber(redis.call('ZSCORE', lock, lease) or 0)
  if ends <= now then
    return 'missing'
  elseif not owned(lock, holders, lease) then
    return 'theirs'
  elseif ends < now + expiry then
    expire_at(lock, holders, limits, lease, now + expiry)
  end
  return 'renewed'
end

local function renew_mark(key, lease, expiry)
  local mark = redis.call('GET', key)
  if mark and starts(mark, 'running:' .. lease .. ':') and redis.call('PTTL', key) < expiry then
    redis.call('PEXPIRE', key, whole(expiry))
  end
end

local letters = { renewed = 'r', theirs = 't', missing = 'm' }
local results = {}
local key = 1
for i = 1, #ARGV, 3 do
  local lease, expiry, count = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local is_done, result = pcall(renew, KEYS[key], KEYS[key + 1], KEYS[key + 2], lease, expiry)
  if not is_done then
    result = nil
  elseif result == 'renewed' and count == 4 then
    pcall(renew_mark, KEYS[key + 3], lease, expiry)
  end
  key = key + count
  results[#results + 1] = letters[result] or '-'
end
return table.concat(results)
