-- Part of other scripts: the mark of a deferral that was spent, whose value is the lease that was granted for it. Needs values.

-- Whether another lease was granted for the deferral. What is not the id of a lease is not ours: nothing is refused for it.
local function is_spent(key, lease)
  local by = read(key)
  return by and by ~= lease and #by == 22 and not string.find(by, '[^%w_-]')
end

local function spend(key, lease, retention)
  redis.call('SET', key, lease, 'PX', retention)
end

-- The lease was granted, and nothing was run under it: the deferral can be spent again.
local function unspend(key, by, lease)
  if by == lease then
    redis.call('DEL', key)
  end
end
