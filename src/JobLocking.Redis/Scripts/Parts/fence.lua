-- Part of other scripts: the fencing token. Needs values.

-- The token to be minted next; nil if the fence holds none.
local function next_token(fence)
  local last = read(fence)
  if last and (#last > 16 or not string.find(last, '^%d+$') or tonumber(last) > 9007199254740990) then
    return nil
  end
  return whole(math.max(tonumber(last or 0) + 1, microseconds()))
end
