-- Admits a request and reserves what it may use, or says which limit stops it.
-- KEYS[1]: the scope. ARGV: request, requests a minute, concurrent, tokens a minute, tokens a day,
-- budget, reserved tokens, reserved micros, whether it names its own end, lease in ms. -1: no limit.
local scope, request = KEYS[1], ARGV[1]
local per_minute, concurrent = tonumber(ARGV[2]), tonumber(ARGV[3])
local minute_tokens, day_tokens = tonumber(ARGV[4]), tonumber(ARGV[5])
local budget = tonumber(ARGV[6])
local tokens, micros = tonumber(ARGV[7]), tonumber(ARGV[8])
local bounded, lease = ARGV[9] == '1', tonumber(ARGV[10])
local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000 + math.floor(tonumber(time[2]) / 1000)
local minute, day = math.floor(seconds / 60), math.floor(seconds / 86400)

local function number(key)
  return tonumber(redis.call('GET', scope .. key) or '0')
end

reclaim(scope, now)

local left, reset = -1, 0
if per_minute >= 0 then
  redis.call('ZREMRANGEBYSCORE', scope .. ':calls', '-inf', now - 60000)
  local calls = redis.call('ZCARD', scope .. ':calls')
  local first = redis.call('ZRANGE', scope .. ':calls', 0, 0, 'WITHSCORES')
  if first[2] then reset = tonumber(first[2]) + 60000 - now else reset = 60000 end
  if calls >= per_minute then return {'requests_per_minute', 0, reset, -1, 0, reset} end
  left = per_minute - calls - 1
end
if concurrent >= 0 and redis.call('ZCARD', scope .. ':live') >= concurrent then
  return {'concurrent_requests', left, reset, -1, 0, 1000}
end
if (budget >= 0 or day_tokens >= 0) and redis.call('EXISTS', scope .. ':seeded') == 0 then
  return {'unseeded', left, reset, -1, 0, 0}
end

-- A request that names no end may pass a limit once, alone: by what it turns out to use.
local function fits(key, limit, wanted)
  if limit < 0 then return true end
  local used, held = number(key), number(key .. ':held')
  if used + held + wanted <= limit then return true end
  return not bounded and held == 0 and used < limit
end

local tokens_left, to_next_minute = -1, 60000 - now % 60000
if minute_tokens >= 0 then
  local key = ':minute:' .. minute
  tokens_left = math.max(0, minute_tokens - number(key) - number(key .. ':held'))
  if not fits(key, minute_tokens, tokens) then
    return {'tokens_per_minute', left, reset, tokens_left, to_next_minute, to_next_minute}
  end
  tokens_left = math.max(0, tokens_left - tokens)
end
if not fits(':day:' .. day, day_tokens, tokens) then
  return {'tokens_per_day', left, reset, tokens_left, to_next_minute, 86400000 - now % 86400000}
end
if not fits(':money', budget, micros) then
  return {'budget_micros', left, reset, tokens_left, to_next_minute, 0}
end

if per_minute >= 0 then
  redis.call('ZADD', scope .. ':calls', now, request)
  redis.call('PEXPIRE', scope .. ':calls', 120000)
end
redis.call('ZADD', scope .. ':live', now + lease, request)
redis.call('HSET', scope .. ':hold', request,
  string.format('%.0f|%.0f|%.0f|%.0f', tokens, micros, minute, day))
redis.call('INCRBY', scope .. ':money:held', string.format('%.0f', micros))
for key, life in pairs({[':minute:' .. minute .. ':held'] = 3600, [':day:' .. day .. ':held'] = 172800}) do
  redis.call('INCRBY', scope .. key, string.format('%.0f', tokens))
  redis.call('EXPIRE', scope .. key, life)
end
return {'', left, reset, tokens_left, to_next_minute, 0}
