-- Admits a request and reserves in every scope what it may use, or says which limit stops it.
-- KEYS: the scopes. ARGV: request, tokens and micros it may use, whether it names its own end,
-- lease in ms; then for each scope: since which limits it must know what was used before (0: need
-- not), how many limits follow, and of each its kind and its value.
-- Kinds: 1 requests a minute, 2 concurrent; 3, 4, 5 tokens a minute, a day, in all; 6, 7 micros a
-- day, in all. Returns scope (0: admitted, -1: some know too little) and kind of the first limit
-- that stops it, in how many ms to try again, ms to the next minute; then for each scope: requests
-- left in the minute, ms to their reset, tokens left in it; -1: no limit.
local request, tokens, micros = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local bounded, lease = ARGV[4] == '1', tonumber(ARGV[5])
local COUNTERS = {[3] = MINUTE_TOKENS, [4] = DAY_TOKENS, [5] = ALL_TOKENS, [6] = DAY_MICROS, [7] = ALL_MICROS}
local to_next_minute, to_next_day = 60000 - now % 60000, 86400000 - now % 86400000
local told = {0, 0, 0, to_next_minute}
local states, unseeded = {}, false

reclaim()

local function stop(scope, kind, retry)
  if told[1] == 0 then told[1], told[2], told[3] = scope, kind, retry end
end

-- A request that names no end may pass a limit once, alone: by what it turns out to use.
local function fits(used, held, limit, wanted)
  if used + held + wanted <= limit then return true end
  return not bounded and held == 0 and used < limit
end

local at = 6
for i, scope in ipairs(KEYS) do
  local s = load(scope)
  local left, reset, tokens_left = -1, 0, -1
  local since = tonumber(ARGV[at])
  if s[SEEDED] < since then unseeded = true end
  local last = at + 2 * tonumber(ARGV[at + 1])
  for n = at + 2, last, 2 do
    local kind, limit = tonumber(ARGV[n]), tonumber(ARGV[n + 1])
    if kind == 1 then
      left, reset = requests_left(scope, limit)
      if left == 0 then stop(i, 1, reset) end
    elseif kind == 2 then
      if s[RUNNING] >= limit then stop(i, 2, 1000) end
    else
      local counter, wanted, retry = COUNTERS[kind], tokens, 0
      if kind > 5 then wanted = micros end
      if kind == 3 then
        tokens_left, retry = math.max(0, limit - s[counter] - s[counter + 1]), to_next_minute
      elseif kind == 4 or kind == 6 then
        retry = to_next_day
      end
      if not fits(s[counter], s[counter + 1], limit, wanted) then stop(i, kind, retry) end
    end
  end
  at, states[i] = last + 2, s
  told[#told + 1], told[#told + 2], told[#told + 3] = left, reset, tokens_left
end
if unseeded then return {-1} end
if told[1] > 0 then return told end

for i, scope in ipairs(KEYS) do
  local s, place = states[i], 3 * i + 2
  if told[place] >= 0 then
    redis.call('ZADD', scope .. ':calls', now, request)
    -- Those of a minute are looked at for a minute more.
    if s[TIDIED] ~= minute then
      s[TIDIED] = minute
      redis.call('ZREMRANGEBYSCORE', scope .. ':calls', '-inf', now - 60000)
      redis.call('EXPIRE', scope .. ':calls', 180)
    end
    told[place] = told[place] - 1
    if told[place + 1] == 0 then told[place + 1] = 60000 end
  end
  if told[place + 2] >= 0 then told[place + 2] = math.max(0, told[place + 2] - tokens) end
  s[RUNNING] = s[RUNNING] + 1
  s[MINUTE_TOKENS + 1] = s[MINUTE_TOKENS + 1] + tokens
  s[DAY_TOKENS + 1], s[DAY_MICROS + 1] = s[DAY_TOKENS + 1] + tokens, s[DAY_MICROS + 1] + micros
  s[ALL_TOKENS + 1], s[ALL_MICROS + 1] = s[ALL_TOKENS + 1] + tokens, s[ALL_MICROS + 1] + micros
  store(scope, s)
end
redis.call('ZADD', LIVE, now + lease, request)
redis.call('HSET', HOLD, request,
  string.format('%.0f %.0f %.0f %.0f %s', tokens, micros, minute, day, table.concat(KEYS, ' ')))
return told
