-- Comes before every script: the counters of a scope, and giving back what a request had reserved.
-- All scopes of a call are changed in one script, so all keys lie on one server (no cluster).

-- Leases of running requests by their end in ms; what they reserved; who was settled lately.
local LIVE, HOLD, PAST = 'slipway:live', 'slipway:hold', 'slipway:past'

-- A scope is fifteen doubles (whole numbers, exact below 2^53); what is held follows what is used.
local FORMAT = '>ddddddddddddddd'
local SEEDED, RUNNING, MINUTE, DAY, TIDIED = 1, 2, 3, 6, 15
local MINUTE_TOKENS, DAY_TOKENS, DAY_MICROS, ALL_TOKENS, ALL_MICROS = 4, 7, 9, 11, 13

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds * 1000 + math.floor(tonumber(time[2]) / 1000)
local minute, day = math.floor(seconds / 60), math.floor(seconds / 86400)

-- The counters of a scope as of now: another minute or day begins with nothing used.
local function load(scope)
  local text = redis.call('GET', scope)
  if not text then return {0, 0, minute, 0, 0, day, 0, 0, 0, 0, 0, 0, 0, 0, 0} end
  local s = {struct.unpack(FORMAT, text)}
  if s[MINUTE] ~= minute then s[3], s[4], s[5] = minute, 0, 0 end
  if s[DAY] ~= day then s[6], s[7], s[8], s[9], s[10] = day, 0, 0, 0, 0 end
  return s
end

-- What knows nothing of the past is worth nothing after a day.
local function store(scope, s)
  local text = struct.pack(FORMAT, unpack(s, 1, 15))
  if s[SEEDED] == 0 then
    redis.call('SET', scope, text, 'EX', 172800)
  else
    redis.call('SET', scope, text)
  end
end

local function less(s, at, amount) s[at] = math.max(0, s[at] - amount) end

local function release(s, held)
  less(s, RUNNING, 1)
  if s[MINUTE] == held.minute then less(s, MINUTE_TOKENS + 1, held.tokens) end
  if s[DAY] == held.day then
    less(s, DAY_TOKENS + 1, held.tokens)
    less(s, DAY_MICROS + 1, held.micros)
  end
  less(s, ALL_TOKENS + 1, held.tokens)
  less(s, ALL_MICROS + 1, held.micros)
end

-- What the request has reserved, which is taken from the list; nil when it has nothing.
local function taken(request)
  local text = redis.call('HGET', HOLD, request)
  if not text then return nil end
  redis.call('HDEL', HOLD, request)
  redis.call('ZREM', LIVE, request)
  local t, m, at_minute, at_day, scopes = string.match(text, '(%d+) (%d+) (%d+) (%d+)(.*)')
  return {
    tokens = tonumber(t), micros = tonumber(m), minute = tonumber(at_minute),
    day = tonumber(at_day), scopes = scopes,
  }
end

local function give_back(held)
  for scope in string.gmatch(held.scopes, '%S+') do
    local s = load(scope)
    release(s, held)
    store(scope, s)
  end
end

-- What a killed worker had reserved is free again once its leases are over; returns how many.
local function reclaim()
  local late = redis.call('ZRANGEBYSCORE', LIVE, '-inf', now, 'LIMIT', 0, 50)
  for _, request in ipairs(late) do
    local held = taken(request)
    if held then give_back(held) else redis.call('ZREM', LIVE, request) end
  end
  return #late
end

-- How many requests a scope may still make in this minute, and in how many ms the oldest one
-- leaves it; -1 and 0 without a limit.
local function requests_left(scope, limit)
  if limit < 0 then return -1, 0 end
  local since = now - 60000
  local first = redis.call('ZRANGEBYSCORE', scope .. ':calls', since + 1, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not first[2] then return limit, 0 end
  local calls = redis.call('ZCOUNT', scope .. ':calls', since + 1, '+inf')
  return math.max(0, limit - calls), tonumber(first[2]) + 60000 - now
end

