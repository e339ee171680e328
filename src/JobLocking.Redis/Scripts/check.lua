-- Sends a notification to the process that asks, and reports the time of this server and whether it may evict locks.
--
-- KEYS[1]  the lock of the check, which leads to the server; it is not touched
-- ARGV[1]  the channel of the process
-- ARGV[2]  the notification
--
-- Result   { the time in µs, why nothing was published or '', maxmemory-policy or '', 'required', 'optional' or '' }
--          The policy is '' where memory has no limit, or where rights forbid to see it. The last one says whether writes require a
--          replica (min-replicas-to-write); it is '' without replicas, and in a cluster, whose cut-off primaries stop by themselves.

local published = redis.pcall('PUBLISH', ARGV[1], ARGV[2])

-- A script may read it, whereas StackExchange.Redis needs admin mode for INFO.
local info = redis.pcall('INFO')
info = type(info) == 'string' and info or ''
local is_limited = (tonumber(string.match(info, 'maxmemory:(%d+)')) or 0) > 0
local has_replicas = (tonumber(string.match(info, 'connected_slaves:(%d+)')) or 0) > 0 and not string.match(info, 'cluster_enabled:1')
local requires_replica = string.match(info, 'min_slaves_good_slaves:')

return {
  whole(microseconds()),
  type(published) == 'table' and published.err or '',
  is_limited and string.match(info, 'maxmemory_policy:([%w-]+)') or '',
  has_replicas and (requires_replica and 'required' or 'optional') or '',
}
