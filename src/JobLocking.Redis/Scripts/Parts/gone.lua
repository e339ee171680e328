-- Part of other scripts: whether the process of a holder is gone.

-- Whether all holders are the same job as the one that asks, and the process of one of them does not listen. Then its run was cut off,
-- and what asks must not be skipped for it. A lock that is kept has no process: its run has ended. In a cluster only the listeners of
-- one node are counted ('most_unheard' is '1' then), so no holder is asked there. Without the right to publish, every process counts as
-- listening.
-- values   the values of the holders
-- holder   the holder that asks, JSON; it ends with its identity, if it has one
-- process  the process that asks
local function is_gone(values, holder, process, channel_prefix, most_unheard)
  local identity = string.match(holder, '"identity":"[^"]+"}$')
  if not identity or most_unheard == '1' then
    return false
  end
  local others = {}
  for _, value in ipairs(values) do
    if string.sub(value or '', -#identity) ~= identity then
      return false
    end
    others[string.match(value, '^[^:]+:%d+:([^:]+):') or process] = true
  end
  others[process] = nil
  for other in pairs(others) do
    if redis.pcall('PUBLISH', channel_prefix .. other, 'ping') == 0 then
      return true
    end
  end
  return false
end
