-- Gives back what requests had reserved whose leases are over; returns how many they were.
-- KEYS[1]: the scope.
local time = redis.call('TIME')
return reclaim(KEYS[1], tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
