-- Sends a notification to the process that asks, and reports the time of this server and whether it may evict locks.
--
-- KEYS[1]  the lock of the check, which leads to the server; it is not touched
-- ARGV[1]  the channel of the process
-- ARGV[2]  the notification
--
-- Result   { the time in µs, why nothing was published or '', maxmemory-policy or '' }
--          The policy is '' where memory has no limit, or where rights forbid to see it.

local published = redis.pcall('PUBLISH', ARGV[1], ARGV[2])

-- A script may read it, whereas StackExchange.Redis needs admin mode for INFO.
local memory = redis.pcall('INFO', 'memory')
local is_limited = type(memory) == 'string' and (tonumber(string.match(memory, 'maxmemory:(%d+)')) or 0) > 0

return {
  whole(microseconds()),
  type(published) == 'table' and published.err or '',
  is_limited and string.match(memory, 'maxmemory_policy:([%w-]+)') or '',
}
