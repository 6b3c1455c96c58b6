-- What is left of each scope's minute, changing nothing.
-- KEYS: the scopes. ARGV, for each: requests a minute, tokens a minute; -1: no limit.
-- Returns the ms to the next minute, then for each: requests left, ms to their reset, tokens left.
local told = {60000 - now % 60000}
for i, scope in ipairs(KEYS) do
  local left, reset = requests_left(scope, tonumber(ARGV[2 * i - 1]))
  local tokens, limit = -1, tonumber(ARGV[2 * i])
  if limit >= 0 then
    local s = load(scope)
    tokens = math.max(0, limit - s[MINUTE_TOKENS] - s[MINUTE_TOKENS + 1])
  end
  told[#told + 1], told[#told + 2], told[#told + 3] = left, reset, tokens
end
return told
