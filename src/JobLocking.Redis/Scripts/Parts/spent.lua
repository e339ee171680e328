-- Part of other scripts: the mark of a spent deferral. Its value is the lease that was granted for it. Needs values.

-- Whether another lease was granted for the deferral. A value that is no lease id is a foreign one, and refuses nothing.
local function is_spent(key, lease)
  local by = read(key)
  return by and by ~= lease and #by == 22 and not string.find(by, '[^%w_-]')
end

local function spend(key, lease, retention)
  redis.call('SET', key, lease, 'PX', retention)
end

-- The lease was granted and its job did not run: the deferral can be spent again.
local function unspend(key, by, lease)
  if by == lease then
    redis.call('DEL', key)
  end
end
