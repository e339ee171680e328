-- Renews leases: each lives for its expiry from now, or longer if it has longer to live. Never re-creates a key; one that fails harms
-- no other.
--
-- KEYS     for each lease: its lock, and its occurrence if it has one
-- ARGV     for each lease: lease id, expiry in ms, number of its keys (1 or 2)
--
-- Result   a letter for each lease: 'r' renewed, 't' theirs, 'm' missing, '-' for an error. An array of replies would be most of
--          what a renewal costs the client

-- The lease in the value of a lock and of an occurrence; the same patterns as in the scripts that acquire and release them.
local of_lock, of_occurrence = '^([^:]+):%d+:[^:]*:', '^running:([^:]+):'

local function failure(reply)
  return type(reply) == 'table' and reply.err
end

-- PEXPIRE, and nothing that needs memory, so that it works at maxmemory; GT would take Redis 7.
local function renew(key, owner, lease, expiry)
  local value = redis.pcall('GET', key)
  if not value then
    return redis.pcall('EXISTS', key) == 1 and 'theirs' or 'missing' -- Garnet does not find a key of another type
  end
  local failed = failure(value)
  if failed then
    return string.find(failed, 'WRONGTYPE', 1, true) and 'theirs' or failed
  end
  if string.match(value, owner) ~= lease then
    return 'theirs'
  end
  local left = redis.pcall('PTTL', key)
  if failure(left) then
    return failure(left)
  end
  if left >= tonumber(expiry) then
    return 'renewed'
  end
  local set = redis.pcall('PEXPIRE', key, expiry)
  return failure(set) or (set == 1 and 'renewed' or 'missing')
end

local letters = { renewed = 'r', theirs = 't', missing = 'm' }
local results = {}
local key = 1
for i = 1, #ARGV, 3 do
  local lease, expiry = ARGV[i], ARGV[i + 1]
  local result = renew(KEYS[key], of_lock, lease, expiry)
  if result == 'renewed' and ARGV[i + 2] == '2' then
    renew(KEYS[key + 1], of_occurrence, lease, expiry)
  end
  key = key + tonumber(ARGV[i + 2])
  results[#results + 1] = letters[result] or '-'
end
return table.concat(results)
