-- Part of other scripts: the fencing token. Needs values.

-- The token to be minted next, and for how long its fence is to be kept, ms; nil if what the fence holds is none.
local function next_token(last, retention)
  if last and (#last > 16 or not string.find(last, '^%d+$') or tonumber(last) > 9007199254740990) then
    return nil
  end
  -- A clock that was set back mints smaller ones once the fence is gone: it is kept until the clock has caught up.
  local now = microseconds()
  local token = math.max(tonumber(last or 0) + 1, now)
  return whole(token), whole(retention + math.ceil((token - now) / 1000))
end
