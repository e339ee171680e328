-- Part of other scripts: reads and writes values, and reads the clock.

-- The value of a key, false if it is missing, '' for a key of another type, which is a foreign client's.
local function read(key)
  local value = redis.pcall('GET', key)
  if not value and redis.call('EXISTS', key) == 1 then
    -- In Garnet GET does not find a key of another type, and SET replaces it. Or it was written just now, where scripts interleave.
    value = redis.pcall('GET', key) or ''
  end
  if type(value) ~= 'table' then
    return value
  end
  return string.find(value.err, 'WRONGTYPE', 1, true) and '' or redis.call('GET', key) -- raises what pcall caught
end

-- The reply of a command, false if the key is of another type.
local function ask(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then
    return reply
  end
  return not string.find(reply.err, 'WRONGTYPE', 1, true) and redis.call(...) -- raises what pcall caught
end

-- At maxmemory SET is refused, unless the script has begun with a write that is not: PEXPIRE, even of a missing key
-- (for which Garnet raises an error if the key has just expired).
local function set(key, value, expiry)
  redis.pcall('PEXPIRE', key, expiry)
  redis.call('SET', key, value, 'PX', expiry)
end

local function is_a(kind, key)
  return redis.call('TYPE', key).ok == kind
end

local function starts(value, with)
  return string.sub(value, 1, #with) == with
end

-- None of our values is longer; a longer foreign one is not sent.
local function shown(value)
  return string.sub(value or '', 1, 16384)
end

-- tostring would round it.
local function whole(number)
  return string.format('%.0f', number)
end

-- The clock of the server, the only one that counts.
local function microseconds()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function milliseconds()
  return math.floor(microseconds() / 1000)
end
