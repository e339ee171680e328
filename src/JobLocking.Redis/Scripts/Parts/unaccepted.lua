-- Part of other scripts: what follows upon a wake-up that was not accepted.

-- So many wake-ups in a row follow soon upon one that was not accepted.
local most_late = 3

-- The execution of the last wake-up, when it had it, ms, and how many in a row before it were not accepted; nil if none is known.
local function last_woken(waiters)
  local value = redis.pcall('HGET', waiters, 'woken')
  if type(value) == 'string' then
    local at, id, late = string.match(value, '^(%d+):([^:]+):?(%d*)$')
    return id, tonumber(at), tonumber(late) or 0
  end
end

-- For a release. How many wake-ups in a row were not accepted if that of 'id' was not, nil if none is given; and whether no other
-- follows, since that was not the last, or it would be one too many.
local function unaccepted_after(waiters, id)
  if id then
    local woken, _, late = last_woken(waiters)
    local follows = woken == id and late < most_late
    return follows and late + 1 or nil, not follows
  end
end
