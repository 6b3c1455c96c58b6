-- Replaces what a request had reserved by what it used; a second time does nothing.
-- KEYS: the scopes that are limited by now, counted beside those it was let in by.
-- ARGV: request, tokens used, micros used.
local request, tokens, micros = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('ZADD', PAST, 'NX', seconds, request) == 0 then return 0 end

local held, counted = taken(request), {}
local of_minute = not held or held.minute == minute
local of_day = not held or held.day == day

local function count(scope, is_held)
  if counted[scope] then return end
  counted[scope] = true
  local s = load(scope)
  if is_held then release(s, held) end
  if of_minute then s[MINUTE_TOKENS] = s[MINUTE_TOKENS] + tokens end
  if s[SEEDED] > 0 then
    if of_day then
      s[DAY_TOKENS] = s[DAY_TOKENS] + tokens
      s[DAY_MICROS] = s[DAY_MICROS] + micros
    end
    s[ALL_TOKENS] = s[ALL_TOKENS] + tokens
    s[ALL_MICROS] = s[ALL_MICROS] + micros
  end
  store(scope, s)
end

if held then
  for scope in string.gmatch(held.scopes, '%S+') do count(scope, true) end
end
for _, scope in ipairs(KEYS) do count(scope, false) end
return 1
