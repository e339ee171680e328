-- Part of other scripts: the fencing token. Needs values.

-- The next token, and how long its key is kept, ms; nil if the key holds no token.
local function next_token(last, retention)
  if last and (#last > 16 or not string.find(last, '^%d+$') or tonumber(last) > 9007199254740990) then
    return nil
  end
  -- Once the key is gone, a clock that was set back would mint smaller tokens: the key is kept until the clock has caught up.
  local now = microseconds()
  local token = math.max(tonumber(last or 0) + 1, now)
  return whole(token), whole(retention + math.ceil((token - now) / 1000))
end
