-- One look of one worker at the limit of an endpoint: additive increase, multiplicative decrease.
-- KEYS: the endpoint's hash. ARGV: worker, the most calls it had or wants at once; since its last look:
-- calls answered, calls throttled, the epoch of the newest throttled call (-1: none), the longest time
-- to wait that was asked for; for how long everybody has to wait; the limit to start from. In ms.
-- Returns {limit * 1000, this worker's share, epoch, milliseconds to wait, workers, cause}.
local FORGET_MS, MEMBER_MS = 3600000, 3000
local FIRST_CUT, CUT, GROWTH = 0.7, 0.9, 0.1
-- A share of throttled calls below this, among the last calls, is no sign of a limit.
local TOLERATED, WINDOW, TRUSTED = 0.03, 100, 50
-- A tenth is regained in this time, which is long beside what a throttled call has to wait.
local REGAIN_MS, LONGEST_REGAIN_MS, WAITS = 5000, 60000, 10
local NOTED, NOTED_MS = 1.25, 10000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept, raw = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #raw, 2 do kept[raw[i]] = raw[i + 1] end
local function number(name, default) return tonumber(kept[name] or default) end

local worker, wanted = 'w:' .. ARGV[1], tonumber(ARGV[2])
local answered, throttled, newest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local asked_ms, wait_ms = tonumber(ARGV[6]), tonumber(ARGV[7])
local limit, epoch, is_new = number('limit', ARGV[8]), number('epoch', 0), kept.is_new ~= '0'
local until_ms = math.max(number('until_ms', 0), now + wait_ms)
local cut_ms, regain_ms = number('cut_ms', now), number('regain_ms', REGAIN_MS)
local since_ms = math.min(500, now - number('looked_ms', now))

local demand, workers, before = wanted, 1, 0
for name, value in pairs(kept) do
  if string.sub(name, 1, 2) == 'w:' and name ~= worker then
    local expires, theirs = string.match(value, '(%d+):(%d+)')
    if tonumber(expires) < now then
      redis.call('HDEL', KEYS[1], name)
    else
      demand, workers = demand + tonumber(theirs), workers + 1
      if name < worker then before = before + tonumber(theirs) end
    end
  end
end

local seen = answered + throttled
local fading = math.max(0, 1 - seen / WINDOW)
local n_seen = number('n_seen', TRUSTED) * fading + seen
local n_throttled = number('n_throttled', 0) * fading + throttled

local cause = ''
if newest >= epoch and n_throttled >= TOLERATED * n_seen then
  -- Calls that began before the last cut say nothing of the limit since.
  limit = math.max(1, math.min(limit, demand) * (is_new and FIRST_CUT or CUT))
  epoch, is_new, cause, cut_ms = epoch + 1, false, 'throttled', now
  n_seen, n_throttled = TRUSTED, 0
  regain_ms = math.min(LONGEST_REGAIN_MS, math.max(REGAIN_MS, WAITS * asked_ms))
elseif answered > 0 and demand >= limit then
  if is_new then
    limit = limit + answered
  else
    -- Faster the longer nothing was throttled, up to twice as much in a second.
    local faster = 2 ^ math.min(20, math.floor((now - cut_ms) / regain_ms))
    limit = limit * (1 + math.min(1, since_ms / 1000, GROWTH * faster * since_ms / regain_ms))
  end
  cause = 'grew'
end

local noted, noted_ms = number('noted', 0), number('noted_ms', 0)
local apart = noted == 0 or limit > noted * NOTED or limit * NOTED < noted
if not apart and (cause ~= 'throttled' or now - noted_ms < NOTED_MS) then cause = '' end
if cause ~= '' then noted, noted_ms = limit, now end

redis.call('HSET', KEYS[1], 'limit', tostring(limit), 'epoch', epoch, 'is_new', is_new and '1' or '0',
  'until_ms', until_ms, 'looked_ms', now, 'cut_ms', cut_ms, 'regain_ms', tostring(regain_ms),
  'n_seen', tostring(n_seen), 'n_throttled', tostring(n_throttled),
  'noted', tostring(noted), 'noted_ms', noted_ms,
  worker, string.format('%d:%d', now + MEMBER_MS, wanted))
redis.call('PEXPIRE', KEYS[1], FORGET_MS)
-- By demand, in whole calls that add up to the limit; nobody is left without one.
local function up_to(calls) return demand > 0 and math.floor(limit * calls / demand + 1e-9) or 0 end
local share = up_to(before + wanted) - up_to(before)
return {math.floor(limit * 1000), math.max(1, share), epoch,
  math.max(0, until_ms - now), workers, cause}
