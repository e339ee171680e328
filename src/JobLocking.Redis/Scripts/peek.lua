-- Reads a lock without touching it.
--
-- KEYS[1]  the lock
--
-- Result   { value, PTTL }, or nil if it is missing; the value of a key of another type is ''

local value = redis.pcall('GET', KEYS[1])
if not value then
  return false
end
if type(value) == 'table' then
  if not string.find(value.err, 'WRONGTYPE', 1, true) then
    return value
  end
  value = ''
end

-- No value of ours is longer; a foreign one is not worth sending.
return { string.sub(value, 1, 16384), redis.call('PTTL', KEYS[1]) }
