-- Ends the lease, or the kept lock, with one fencing token, and tells the process that holds it.
--
-- KEYS[1]  the lock
-- ARGV[1]  fencing token
-- ARGV[2]  what comes before the process id in the name of its channel
--
-- Result   1 if it was ended, else 0

local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' and not string.find(value.err, 'WRONGTYPE', 1, true) then
  return value
end
if type(value) ~= 'string' then
  return 0
end

local lease, token, process = string.match(value, '^([^:]+):(%d+):([^:]*):')
if token ~= ARGV[1] then
  return 0
end

redis.call('DEL', KEYS[1])
if process ~= '' then
  -- Who cannot be told finds out at the next renewal.
  redis.pcall('PUBLISH', ARGV[2] .. process, lease)
end
return 1
