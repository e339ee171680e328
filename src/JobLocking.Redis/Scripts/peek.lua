-- Reads a lock without touching it.
--
-- KEYS[1]  the lock
--
-- Result   { value, PTTL }, or nil if it is missing; the value of a key of another type is ''

local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' and not string.find(value.err, 'WRONGTYPE', 1, true) then
  return value
end
if type(value) ~= 'string' then
  if redis.call('EXISTS', KEYS[1]) == 0 then
    return false
  end
  value = ''
end

-- No value of ours is longer; a foreign one is not worth sending.
return { string.sub(value, 1, 16384), redis.call('PTTL', KEYS[1]) }
