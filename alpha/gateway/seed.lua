-- Sets what was spent so far, from the usage table, where the counters know nothing.
-- KEYS[1]: the scope. ARGV: micros spent in all, tokens used today, today as days since 1970.
local scope = KEYS[1]
if redis.call('EXISTS', scope .. ':seeded') == 1 then return 0 end
redis.call('SET', scope .. ':money', ARGV[1])
redis.call('SET', scope .. ':day:' .. ARGV[3], ARGV[2], 'EX', 172800)
redis.call('SET', scope .. ':seeded', '1')
return 1
