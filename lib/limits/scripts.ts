// The two scripts that count limits in Redis. Rates are leaky buckets (GCRA's other form): how much is in
// the bucket and since when, so that no number grows with time and doubles are exact enough.

import { createHash } from "node:crypto";

/** A script's text, and its name in Redis. */
export interface Script {
  text: string;
  sha: string;
}

const script = (text: string): Script => ({
  text,
  sha: createHash("sha1").update(text).digest("hex"),
});

/** What both begin with. A bucket's level now; a millionth of a unit is no unit, so that doubles never
 * refuse what fits exactly. */
const COMMON = `
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)
local SLACK = 0.000001

local function level(key, c)
  local state = redis.call('HMGET', key, 'used', 'at')
  if not state[1] then return 0 end
  local passed = math.max(0, now_us - tonumber(state[2]))
  return math.max(0, tonumber(state[1]) - passed * c.limit / (c.windowMs * 1000))
end

local function store_level(key, c, used)
  if used <= 0 then
    redis.call('DEL', key)
    return
  end
  redis.call('HSET', key, 'used', string.format('%.17g', used), 'at', string.format('%.17g', now_us))
  redis.call('PEXPIRE', key, math.ceil(used * c.windowMs / c.limit) + 1000)
end
`;

/** Takes all claims or none. */
export const TAKE: Script = script(`${COMMON}
local claims = cjson.decode(ARGV[1])
local after = {}
local standings = {}
local refused = false

for i, c in ipairs(claims) do
  local key = KEYS[i]
  local standing = { rule = c.rule }
  if c.counts == 'requests' or c.counts == 'tokens' then
    local used = level(key, c)
    local total = used + math.min(c.units, c.burst)
    local over = total - c.burst
    standing.remaining = math.max(0, math.floor(c.burst - used + SLACK))
    standing.resetMs = math.ceil(used * c.windowMs / c.limit)
    if over > SLACK and not refused then
      refused = { rule = c.rule, retryAfterMs = math.ceil(over * c.windowMs / c.limit) }
    end
    after[i] = total
  elseif c.counts == 'concurrent' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now_ms)
    local running = redis.call('ZCARD', key)
    standing.remaining = math.max(0, c.limit - running)
    if running + c.units > c.limit and not refused then
      refused = { rule = c.rule }
    end
  elseif c.counts == 'spend' then
    local spent = tonumber(redis.call('GET', key) or '0')
    standing.remaining = math.max(0, c.limit - spent)
    standing.resetMs = math.max(0, c.periodEndMs - now_ms)
    local full = spent >= c.limit or spent + math.min(c.units, c.limit) > c.limit
    if c.units > 0 and full and not refused then
      refused = { rule = c.rule, retryAfterMs = standing.resetMs }
    end
  end
  standings[i] = standing
end

if not refused then
  for i, c in ipairs(claims) do
    local key = KEYS[i]
    if c.units > 0 then
      if c.counts == 'requests' or c.counts == 'tokens' then
        store_level(key, c, after[i])
      elseif c.counts == 'concurrent' then
        redis.call('ZADD', key, now_ms + c.leaseMs, c.id)
        redis.call('PEXPIRE', key, c.leaseMs + 1000)
      elseif c.counts == 'spend' then
        redis.call('INCRBY', key, string.format('%.0f', c.units))
        redis.call('PEXPIREAT', key, string.format('%.0f', c.periodEndMs + 3600000))
      end
    end
  end
  refused = nil
end
return cjson.encode({ refused = refused, standings = standings })
`);

/** Puts what turned out in the place of what was taken. */
export const SETTLE: Script = script(`${COMMON}
for i, c in ipairs(cjson.decode(ARGV[1])) do
  local key = KEYS[i]
  if c.counts == 'requests' or c.counts == 'tokens' then
    store_level(key, c, level(key, c) + c.actual - math.min(c.units, c.burst))
  elseif c.counts == 'concurrent' then
    redis.call('ZREM', key, c.id)
  elseif c.counts == 'spend' and redis.call('EXISTS', key) == 1 then
    redis.call('INCRBY', key, string.format('%.0f', c.actual - c.units))
  end
end
return 'ok'
`);
