-- One look of one worker at the limit of an endpoint: additive increase, multiplicative decrease.
-- KEYS: the endpoint's hash. ARGV: worker, the most calls it had or wants at once, calls answered since
-- its last look, the epoch of a call that was throttled (-1: none), the milliseconds for which the
-- upstream asked everybody to wait, the limit to start from.
-- Returns {limit * 1000, this worker's share, epoch, milliseconds to wait, workers, cause}.
local FORGET_MS, MEMBER_MS = 3600000, 3000
local FIRST_CUT, CUT, GROWTH, NOTED = 0.7, 0.9, 0.02, 1.25
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept, raw = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #raw, 2 do kept[raw[i]] = raw[i + 1] end

local worker, wanted, answered = 'w:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local throttled, wait_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local limit, epoch = tonumber(kept.limit or ARGV[6]), tonumber(kept.epoch or 0)
local is_new, noted = kept.is_new ~= '0', tonumber(kept.noted or 0)
local until_ms = math.max(tonumber(kept.until_ms or 0), now + wait_ms)

local demand, workers = wanted, 1
for name, value in pairs(kept) do
  if string.sub(name, 1, 2) == 'w:' and name ~= worker then
    local expires, theirs = string.match(value, '(%d+):(%d+)')
    if tonumber(expires) < now then
      redis.call('HDEL', KEYS[1], name)
    else
      demand, workers = demand + tonumber(theirs), workers + 1
    end
  end
end

local cause = ''
if throttled == epoch then
  -- Calls that began before the last cut say nothing of the limit since.
  limit = math.max(1, math.min(limit, demand) * (is_new and FIRST_CUT or CUT))
  epoch, is_new, cause = epoch + 1, false, 'throttled'
elseif answered > 0 and demand >= limit then
  -- Once as many calls as the limit were answered: twice the limit at first, a little more later.
  local step = is_new and 1 or math.max(1, GROWTH * limit) / limit
  limit = limit + answered * step
  if noted == 0 or limit > noted * NOTED then cause = 'grew' end
end
if cause ~= '' then noted = limit end

redis.call('HSET', KEYS[1], 'limit', tostring(limit), 'epoch', epoch, 'noted', tostring(noted),
  'is_new', is_new and '1' or '0', 'until_ms', until_ms,
  worker, string.format('%d:%d', now + MEMBER_MS, wanted))
redis.call('PEXPIRE', KEYS[1], FORGET_MS)
local share = demand > 0 and limit * wanted / demand or limit
return {math.floor(limit * 1000), math.max(1, math.floor(share + 0.5)), epoch,
  math.max(0, until_ms - now), workers, cause}
