-- Part of other scripts: whether a lock has room, of either kind. Needs values and holders.

-- A function that returns, for a limit, in how many ms the lock has room, as far as that is certain: 0 if it has, nil if it is not known.
-- A lock, or a slot, that is kept after a run becomes free at a known time.
local function room_in(lock, holders, limits)
  local value = read(lock)
  if value == '' and is_a('zset', lock) then
    local now = milliseconds()
    local live, least = holding(lock, holders, limits, now), smallest(limits)
    local first = live and live > 0 and redis.call('ZRANGE', lock, '0', '0', 'WITHSCORES')
    local kept_for = first and starts(redis.call('HGET', holders, first[1]), 'kept:') and tonumber(first[2]) - now or nil
    return function(limit)
      local spare = live and least and math.min(limit, least) - live or -1
      return spare > 0 and 0 or (spare == 0 and kept_for) or nil
    end
  end
  local kept_for = value and string.find(value, '^kept:%d+:[^:]*:') and redis.call('PTTL', lock) or nil
  return function()
    return not value and 0 or kept_for
  end
end
