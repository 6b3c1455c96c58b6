-- Replaces what a request had reserved by what it used; a second time does nothing.
-- KEYS[1]: the scope. ARGV: request, tokens used, micros used.
local scope, request, tokens, micros = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local time = redis.call('TIME')
local seconds = tonumber(time[1])
local minute, day = math.floor(seconds / 60), math.floor(seconds / 86400)

if redis.call('ZSCORE', scope .. ':past', request) then return 0 end
redis.call('ZREMRANGEBYSCORE', scope .. ':past', '-inf', seconds - 300)
redis.call('ZADD', scope .. ':past', seconds, request)
redis.call('EXPIRE', scope .. ':past', 600)
redis.call('ZREM', scope .. ':live', request)

local at_minute, at_day = give_back(scope, request)
if at_minute then minute, day = at_minute, at_day end
redis.call('INCRBY', scope .. ':minute:' .. minute, tokens)
redis.call('EXPIRE', scope .. ':minute:' .. minute, 120)
if redis.call('EXISTS', scope .. ':seeded') == 1 then
  redis.call('INCRBY', scope .. ':money', micros)
  redis.call('INCRBY', scope .. ':day:' .. day, tokens)
  redis.call('EXPIRE', scope .. ':day:' .. day, 172800)
end
return 1
