-- Comes before every script: what a request had reserved, and giving it back.

-- Gives it back; returns the minute and the day it was reserved in, nothing when it was not.
local function give_back(scope, request)
  local held = redis.call('HGET', scope .. ':hold', request)
  if not held then return nil end
  local t, m, at_minute, at_day = string.match(held, '(%d+)|(%d+)|(%d+)|(%d+)')
  redis.call('HDEL', scope .. ':hold', request)
  redis.call('DECRBY', scope .. ':money:held', m)
  for _, key in ipairs({':minute:' .. at_minute .. ':held', ':day:' .. at_day .. ':held'}) do
    if redis.call('EXISTS', scope .. key) == 1 then redis.call('DECRBY', scope .. key, t) end
  end
  return at_minute, at_day
end

-- What a killed worker had reserved is free again once its leases are over; `now` in ms.
local function reclaim(scope, now)
  local late = redis.call('ZRANGEBYSCORE', scope .. ':live', '-inf', now, 'LIMIT', 0, 50)
  for _, request in ipairs(late) do
    give_back(scope, request)
    redis.call('ZREM', scope .. ':live', request)
  end
  return #late
end

