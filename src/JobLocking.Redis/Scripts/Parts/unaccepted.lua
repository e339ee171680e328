-- Part of other scripts: what follows a wake-up that was not accepted.

-- After this many wake-ups in a row that were not accepted, the next one has more time.
local most_not_accepted = 3

-- The waiter of the last wake-up, when it was woken, ms, and how many wake-ups in a row before it were not accepted; nil if none is
-- known.
local function last_woken(waiters)
  local value = redis.pcall('HGET', waiters, 'woken')
  if type(value) == 'string' then
    local at, id, not_accepted = string.match(value, '^(%d+):([^:]+):?(%d*)$')
    return id, tonumber(at), tonumber(not_accepted) or 0
  end
end

-- How many wake-ups in a row were not accepted if that of 'id' was not, nil without an id; and whether no other waiter is woken for
-- that, since that wake-up was not the last, or the next would be one too many.
local function not_accepted_after(waiters, id)
  if id then
    local woken, _, not_accepted = last_woken(waiters)
    local follows = woken == id and not_accepted < most_not_accepted
    return follows and not_accepted + 1 or nil, not follows
  end
end
