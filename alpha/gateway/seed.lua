-- Sets what was used so far, from the usage table, where the counters do not know it.
-- KEYS[1]: the scope. ARGV: since which limits, tokens and micros in all, those of a day, and
-- that day as days since 1970.
local s, since = load(KEYS[1]), tonumber(ARGV[1])
-- A worker that goes by limits of before may come later.
if s[SEEDED] >= since then return 0 end
s[SEEDED], s[ALL_TOKENS], s[ALL_MICROS] = since, tonumber(ARGV[2]), tonumber(ARGV[3])
s[DAY_TOKENS], s[DAY_MICROS] = 0, 0
if tonumber(ARGV[6]) == day then
  s[DAY_TOKENS], s[DAY_MICROS] = tonumber(ARGV[4]), tonumber(ARGV[5])
end
store(KEYS[1], s)
return 1
