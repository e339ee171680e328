-- Takes a lock for a lease, or says who has it. The grant rests on one SET NX; whatever can fail is read before it.
--
-- KEYS[1]  the lock
-- KEYS[2]  its fence: the fencing token minted last
-- KEYS[3]  the occurrence, if there is one
-- ARGV[1]  lease id
-- ARGV[2]  expiry of the lease, ms
-- ARGV[3]  process id
-- ARGV[4]  holder, JSON
-- ARGV[5]  how long the fence is kept, ms
-- ARGV[6]  '1' for a retry, which may run an occurrence that has failed
--
-- Result   { 'granted', token }
--          { 'contended', value of the lock, PTTL }
--          { 'running', value of the occurrence, PTTL }
--          { 'succeeded' or 'failed', value of the occurrence }
--          { 'unfenced' }, if the fence holds no token, and nothing was written

local lease, expiry, process, holder = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

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

local function starts(value, with)
  return string.sub(value, 1, #with) == with
end

-- No value of ours is longer; a foreign one is not worth sending.
local function shown(value)
  return string.sub(value, 1, 16384)
end

local function contended(value)
  return { 'contended', shown(value or ''), redis.call('PTTL', KEYS[1]) }
end

local mark = KEYS[3] and read(KEYS[3])
if mark then
  if starts(mark, 'succeeded:') then
    return { 'succeeded', shown(mark) }
  elseif starts(mark, 'failed:') then
    if ARGV[6] ~= '1' then
      return { 'failed', shown(mark) }
    end
  elseif not starts(mark, 'running:' .. lease .. ':') then
    return { 'running', shown(mark), redis.call('PTTL', KEYS[3]) }
  end
end

local function run_occurrence()
  if KEYS[3] then
    redis.call('SET', KEYS[3], 'running:' .. lease .. ':' .. holder, 'PX', expiry)
  end
end

local value = read(KEYS[1])
if value then
  local id, token = string.match(value, '^([^:]+):(%d+):[^:]*:')
  if id ~= lease then
    return contended(value)
  end
  -- The answer to the first try was lost. Where scripts do not run in isolation the lease can end right here.
  if redis.pcall('PEXPIRE', KEYS[1], expiry) == 1 then
    run_occurrence()
    return { 'granted', token }
  end
end

local last = read(KEYS[2])
if last and (#last > 16 or not string.find(last, '^%d+$') or tonumber(last) > 9007199254740990) then
  return { 'unfenced' }
end

local now = redis.call('TIME')
local token = math.max((tonumber(last or 0)) + 1, tonumber(now[1]) * 1000000 + tonumber(now[2]))
token = string.format('%.0f', token) -- tostring would round it

if not redis.call('SET', KEYS[1], lease .. ':' .. token .. ':' .. process .. ':' .. holder, 'NX', 'PX', expiry) then
  return contended(read(KEYS[1]))
end

redis.call('SET', KEYS[2], token, 'PX', ARGV[5])
run_occurrence()
return { 'granted', token }
