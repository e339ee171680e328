-- Reads what the server does when its memory is full. A script may ask, where StackExchange.Redis wants admin mode for INFO.
--
-- KEYS     none
--
-- Result   the policy, or nil where rights forbid to see it

local memory = redis.pcall('INFO', 'memory')
return type(memory) == 'string' and string.match(memory, 'maxmemory_policy:([%w-]+)')
