-- Part of other scripts: makes sure of places that executions have. Needs values, queue and park.

-- The place of an execution, and its process; nothing if it has none, or that has lapsed.
local function place_of(queue, waiters, id)
  local waiter, place = redis.pcall('HGET', waiters, id), redis.pcall('ZSCORE', queue, id)
  if type(waiter) == 'string' and type(place) == 'string' then
    local lapse, process = string.match(waiter, '^(%d+):([^:]*):')
    if lapse and tonumber(lapse) > milliseconds() then
      return since_when(place) or '0', process
    end
  end
end

-- Makes sure of a place. One that another process has taken for the same execution stands: that is where it waits now. Who
-- has no patience gets none that it does not have.
local function restore(queue, waiters, id, since, patience, process, limit, holder)
  local place, other = place_of(queue, waiters, id)
  if patience == '0' or (place and other ~= process) then
    return place or '0'
  end
  return enqueue(queue, waiters, id, since, patience, process, limit, holder, true)
end

-- Makes sure of the places of a process: five arguments for each, as of a look without the process. Says since when each is parked.
local function restore_all(queue, waiters, process, arguments, first)
  local places = {}
  for i = first, #arguments, 5 do
    local id, since, patience, limit, holder = unpack(arguments, i, i + 4)
    places[#places + 1] = restore(queue, waiters, id, since, patience, process, limit, holder)
  end
  return places
end
