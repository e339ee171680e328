-- Reads what the server does when its memory is full, if that can be. A script may ask, where StackExchange.Redis wants admin mode for INFO.
--
-- KEYS     none
--
-- Result   the policy, or nil where there is no limit, or rights forbid to see it

local memory = redis.pcall('INFO', 'memory')
if type(memory) ~= 'string' or (tonumber(string.match(memory, 'maxmemory:(%d+)')) or 0) == 0 then
  return false
end
return string.match(memory, 'maxmemory_policy:([%w-]+)')
