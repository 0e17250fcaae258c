-- One run for one process, at the limits of one endpoint and model: settle, then reserve.
-- Reading and writing are one step here, and the only clock is Redis's own.
--
-- KEYS  state (hash), window (hash), flight (sorted set: permit -> when it counts as lost),
--       marker (exists once the coordinator has restored what an emptied Redis forgot)
-- ARGV  one JSON document:
--   slots     slots a second; what is admitted in one slot leaves the window together
--   window    seconds in the window: a minute, and one for the way to the endpoint
--   expire    seconds that the keys outlive the last run
--   guarded   whether the marker must exist
--   limits    {r, i, o, t}: requests, input, output and total tokens a minute; 0: none
--   burst     seconds' worth of a limit that may go out at once
--   flight    calls in flight, 0: any number; ttl: seconds after which a permit is lost
--   class     1 live, 2 normal, 3 backfill; weights of the classes
--   settle    {{permit, slot, requests, input, output}}: what is given back
--   tier      names what is throttled apart from others: "flex", or ""
--   throttle  seconds the provider asked us to wait, -1: it named none; absent: no throttling
--   learn     {{"r", "i", "o" or "t", limit a minute, remaining, seconds until reset}}
--   good      calls that succeeded since the last run
--   tally     calls admitted without a run since the last one, where no limit applies
--   waited    {calls, seconds}: that were admitted since the last run, and how long they waited
--   ask       {{input, output}}, in order; owner and first name the permits
-- Returns {admitted, microseconds to wait, slot, 1 where no limit applies, 1 where closed}.
--
-- state: sec: slot of the last eviction; w<d>: sum of the window; at, b<d>: buckets;
--   L<d>: learned limits;
--   for each tier: pause: until when; a, g, c: ceiling in requests a second, its growth a second,
--   since when; ba: its bucket; cut, p: the last throttling, how many more in a row; e, et: decayed
--   count of admissions; m: the highest recent rate, calls a second;
--   v<class>, u<class>, vnow: virtual time, waiting until;
--   wn, ws: calls admitted by a run, and the seconds that they waited.

local ask = cjson.decode(ARGV[1])
local SLOTS, WINDOW = ask.slots, ask.window
if ask.guarded and redis.call('EXISTS', KEYS[4]) == 0 then return {0, 500000, 0, 0, 1} end

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local slot = math.floor(now * SLOTS)
local state = {}
local flat = redis.call('HGETALL', KEYS[1])
for k = 1, #flat, 2 do state[flat[k]] = tonumber(flat[k + 1]) end

-- Which limits apply: those that are configured, else those that the provider stated.
local limit, bound, configured = {}, false, {}
for k, d in ipairs({'r', 'i', 'o', 't'}) do
  local most = ask.limits[k]
  configured[d] = most > 0
  if most == 0 then most = state['L' .. d] or 0 end
  if most > 0 then limit[d] = most; bound = true end
end

-- The window: exact sums of the last minute, by slot of expiry.
local fields
local function window()
  if not fields then
    fields = {}
    local raw = redis.call('HGETALL', KEYS[2])
    for k = 1, #raw, 2 do
      local at, d = string.match(raw[k], '^(%d+):(%a)$')
      fields[#fields + 1] = {tonumber(at), d, tonumber(raw[k + 1]), raw[k]}
    end
    table.sort(fields, function(x, y) return x[1] < y[1] end)
  end
  return fields
end
if bound and state.sec ~= slot then
  for d in pairs(limit) do state['w' .. d] = 0 end
  for _, f in ipairs(window()) do
    if f[1] <= slot then redis.call('HDEL', KEYS[2], f[4])
    elseif limit[f[2]] then state['w' .. f[2]] = state['w' .. f[2]] + f[3] end
  end
  state.sec = slot
end
local function add(d, amount, at)
  redis.call('HINCRBYFLOAT', KEYS[2], string.format('%d:%s', at, d), amount)
  state['w' .. d] = (state['w' .. d] or 0) + amount
  fields = nil
end

-- The buckets: a burst's worth goes out at once (one request at least), the rest at an even rate.
local elapsed = math.max(0, now - (state.at or now))
local size, rate = {}, {}
local function bucket(d, per_second)
  rate[d] = per_second
  size[d] = math.max(1, per_second * ask.burst)
  state['b' .. d] = math.min(size[d], (state['b' .. d] or size[d]) + elapsed * per_second)
end
for d, most in pairs(limit) do bucket(d, most / WINDOW) end

-- Learn from the provider, where nothing is configured.
for _, stated in ipairs(ask.learn or {}) do
  local d, most, remaining, reset = stated[1], stated[2], stated[3], stated[4]
  if not configured[d] then
    state['L' .. d] = most
    local foreign = most - remaining - (state['w' .. d] or 0)  -- used by others
    if foreign > most / 50 then
      add(d, foreign, slot + 1 + math.floor(SLOTS * math.min(reset, WINDOW)))
    end
  end
end

for _, back in ipairs(ask.settle or {}) do
  redis.call('ZREM', KEYS[3], back[1])
  local amounts = {r = back[3], i = back[4], o = back[5], t = back[4] + back[5]}
  for d in pairs(limit) do
    local field = string.format('%d:%s', back[2], d)
    if amounts[d] ~= 0 and redis.call('HEXISTS', KEYS[2], field) == 1 then
      add(d, -amounts[d], back[2])
      if size[d] then state['b' .. d] = math.min(size[d], state['b' .. d] + amounts[d]) end
    end
  end
end

-- What each tier has of its own: where one has no room, another may have.
local PAUSE, A, G, C = 'pause' .. ask.tier, 'a' .. ask.tier, 'g' .. ask.tier, 'c' .. ask.tier
local CUT, P = 'cut' .. ask.tier, 'p' .. ask.tier
local E, ET, M = 'e' .. ask.tier, 'et' .. ask.tier, 'm' .. ask.tier

-- The rate of admissions, over about two seconds, and its highest value in about the last minute;
-- pauses do not count.
local function count(n)
  local passed = math.max(0, now - (state[ET] or now))
  state[E] = (state[E] or 0) * math.exp(-passed / 2) + n
  state[M] = math.max(state[E] / 2, (state[M] or 0) * math.exp(-passed / 60))
  state[ET] = math.max(now, state[ET] or now)
end
count(ask.tally or 0)
if ask.waited then
  state.wn = (state.wn or 0) + ask.waited[1]
  state.ws = (state.ws or 0) + ask.waited[2]
end

-- Throttled: every process pauses, then half the former rate, then faster by degrees (AIMD).
local function ceiling()
  if not state[C] then return nil end
  return state[A] + state[G] * math.max(0, now - state[C])
end
if (ask.good or 0) > 0 and (state[PAUSE] or 0) <= now then state[P] = -1 end
if ask.throttle then
  local wait = ask.throttle
  local paused = (state[PAUSE] or 0) > now  -- a call sent before the pause proves nothing new
  if not paused and now - (state[CUT] or 0) > 1 then
    local base = math.min(state[M], ceiling() or math.huge)
    if wait < 0 then state[P] = now - (state[PAUSE] or 0) < 30 and (state[P] or -1) + 1 or 0 end
    -- back at the limit, or at the highest recent rate, in about ten seconds
    local usual = limit.r and limit.r / WINDOW or state[M]
    state[G], state[CUT] = math.max(usual / 10, 0.1), now
    state[A] = math.max(base / 2, state[G])
  end
  if wait < 0 then wait = paused and 0 or math.min(60, 2 ^ (state[P] or 0)) end
  state[PAUSE] = math.max(state[PAUSE] or 0, now + wait)
  state[C], state[ET] = state[PAUSE], state[PAUSE]
end
if state[C] and now - state[C] > 300 then state[C] = nil; redis.call('HDEL', KEYS[1], C) end
if state[C] then bucket(A, ceiling()) end

local flying = 0
if ask.flight > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  flying = redis.call('ZCARD', KEYS[3])
end

-- Shares: while a class waits that had less for its weight than this one, it goes first.
local mine = 'v' .. ask.class
local ahead
for class = 1, #ask.weights do
  if class ~= ask.class and (state['u' .. class] or 0) > now then
    ahead = math.min(ahead or math.huge, state['v' .. class] or 0)
  end
end
if (state['u' .. ask.class] or 0) < now then
  state[mine] = math.max(state[mine] or 0, state.vnow or 0)
end

local function until_free(d, amount)
  for _, f in ipairs(window()) do
    if f[2] == d then
      amount = amount - f[3]
      if amount <= 0 then return math.max(0.01, f[1] / SLOTS - now) end
    end
  end
  return 1
end

local admitted, wait = 0, 0
local own = 0  -- what of the wait is the tier's, for which no other call waits
local binds = bound or ask.flight > 0 or state[C] ~= nil
local leaves = slot + SLOTS * WINDOW + 1
for k, tokens in ipairs(ask.ask or {}) do
  local cost = {r = 1, i = tokens[1], o = tokens[2], t = tokens[1] + tokens[2], [A] = 1}
  local share = 0
  if (state[PAUSE] or 0) > now then wait = state[PAUSE] - now; own = wait end
  if binds and ahead and state[mine] > ahead then wait = math.max(wait, 0.1) end
  for d in pairs(rate) do
    -- A call larger than the bucket goes when the bucket is full, and leaves it in debt.
    local needed = math.min(cost[d], size[d])
    if state['b' .. d] < needed - 1e-6 then
      wait = math.max(wait, (needed - state['b' .. d]) / rate[d])
      if d == A then own = math.max(own, (needed - state['b' .. d]) / rate[d]) end
    end
    if limit[d] then
      local over = (state['w' .. d] or 0) + math.min(cost[d], limit[d]) - limit[d]
      if over > 1e-6 then wait = math.max(wait, until_free(d, over)) end
    end
    share = math.max(share, cost[d] / (rate[d] * WINDOW))
  end
  if ask.flight > 0 and flying >= ask.flight then wait = math.max(wait, 0.1) end
  if wait > 0 then break end
  admitted = k
  for d in pairs(rate) do state['b' .. d] = state['b' .. d] - cost[d] end
  for d, most in pairs(limit) do
    -- A call larger than a minute's limit fills the window for as many minutes.
    local minutes = math.max(1, cost[d] / most)
    add(d, math.min(cost[d], most), leaves + math.floor(SLOTS * WINDOW * (minutes - 1)))
  end
  if ask.flight > 0 then
    flying = flying + 1
    redis.call('ZADD', KEYS[3], now + ask.ttl, ask.owner .. ':' .. (ask.first + k - 1))
    share = math.max(share, 1 / ask.flight)
  end
  state[mine] = state[mine] + share / ask.weights[ask.class]
  state.vnow = state[mine]
end
count(admitted)
if wait > 0 and (ask.tier == '' or wait > own) then
  state['u' .. ask.class] = now + wait + 0.3
end

state.at = now
local written = {}
for name, value in pairs(state) do
  written[#written + 1] = name
  written[#written + 1] = string.format('%.17g', value)
end
redis.call('HSET', KEYS[1], unpack(written))
for k = 1, 3 do redis.call('EXPIRE', KEYS[k], ask.expire) end
local free = not binds and (state[PAUSE] or 0) <= now
return {admitted, math.ceil(wait * 1e6), leaves, free and 1 or 0, 0}
