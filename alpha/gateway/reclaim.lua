-- Gives back what requests had reserved whose leases are over; returns how many they were.
-- Run by every worker every few seconds, so that whom settle.lua remembers is forgotten here.
redis.call('ZREMRANGEBYSCORE', PAST, '-inf', seconds - 300)
redis.call('EXPIRE', PAST, 600)
return reclaim()
