-- Part of other scripts: the mark of an occurrence. Needs values.

-- What keeps a lease from running the occurrence: 'succeeded', 'failed', 'ended' or 'running', and the mark; nil if nothing does.
local function judge(key, lease, is_retry)
  local mark = read(key)
  if not mark then
    return nil
  elseif starts(mark, 'succeeded:') then
    return 'succeeded', mark
  elseif starts(mark, 'failed:') or starts(mark, 'ended:') then
    if not is_retry then
      return starts(mark, 'failed:') and 'failed' or 'ended', mark
    end
  elseif not starts(mark, 'running:' .. lease .. ':') then
    return 'running', mark
  end
end

local function mark_running(key, lease, holder, expiry)
  redis.call('SET', key, 'running:' .. lease .. ':' .. holder, 'PX', expiry)
end

-- The mark of another lease is left alone, except that a failure is replaced by the success of another run: no retry runs the
-- occurrence again. An empty mark removes the one that is there.
local function mark_ended(key, was, lease, mark, retention)
  local is_mine = was and starts(was, 'running:' .. lease .. ':')
  local gives_way = was and starts(was, 'failed:') and starts(mark, 'succeeded:')
  if mark ~= '' and (is_mine or not was or gives_way) then
    set(key, mark, retention)
  elseif is_mine then
    redis.call('DEL', key)
  end
end
