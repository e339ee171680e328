-- Ends a lease if it still holds the lock, and marks the occurrence it ran whether or not it does.
--
-- KEYS[1]  the lock
-- KEYS[2]  the occurrence, if there is one
-- ARGV[1]  lease id
-- ARGV[2]  how long the lock stays taken, ms; '0' frees it
-- ARGV[3]  the mark of an occurrence that was run; '' removes the mark of an unfinished run
-- ARGV[4]  how long that mark is kept, ms
--
-- Result   'released', 'theirs' or 'missing'

-- The value of a key, false if it is missing, '' for a key of another type: that is a foreign client's.
local function read(key)
  local value = redis.pcall('GET', key)
  if not value and redis.call('EXISTS', key) == 1 then
    -- Garnet does not find, but does replace, a key of another type. Or it has come just now, where scripts interleave.
    value = redis.pcall('GET', key) or ''
  end
  if type(value) ~= 'table' then
    return value
  end
  return string.find(value.err, 'WRONGTYPE', 1, true) and '' or redis.call('GET', key) -- raises what pcall caught
end

-- At maxmemory SET is refused, unless the script has begun with a write that is not: PEXPIRE, even of a missing key
-- (for which Garnet raises an error if the key has just expired).
local function set(key, value, expiry)
  redis.pcall('PEXPIRE', key, expiry)
  redis.call('SET', key, value, 'PX', expiry)
end

local value = read(KEYS[1])
local mark = KEYS[2] and read(KEYS[2])

local result = 'missing'
if value then
  local id, token, holder = string.match(value, '^([^:]+):(%d+):[^:]*:(.*)$')
  if id ~= ARGV[1] then
    result = 'theirs'
  else
    result = 'released'
    if ARGV[2] == '0' then
      redis.call('DEL', KEYS[1])
    else
      set(KEYS[1], 'kept:' .. token .. '::' .. holder, ARGV[2])
    end
  end
end

if KEYS[2] then
  local running = 'running:' .. ARGV[1] .. ':'
  local mine = mark and string.sub(mark, 1, #running) == running
  if ARGV[3] ~= '' and (mine or not mark) then
    set(KEYS[2], ARGV[3], ARGV[4])
  elseif mine then
    redis.call('DEL', KEYS[2])
  end
end
return result
