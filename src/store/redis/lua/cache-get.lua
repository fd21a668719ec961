-- Finds a value, and makes it the last to be evicted.
-- KEYS  1 values: hash, id -> value
--       2 expiry: sorted set of ids by the time when they expire, Unix milliseconds
--       3 uses: sorted set of ids by their last use, a number that counts up
--       4 count: the last number
-- ARGV  1 id
-- Returns the value; nil: it was never stored, has expired or was evicted.
local time = redis.call("TIME")
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local expiresAtMs = redis.call("ZSCORE", KEYS[2], ARGV[1])
if not expiresAtMs or tonumber(expiresAtMs) <= nowMs then
  return false
end
redis.call("ZADD", KEYS[3], redis.call("INCR", KEYS[4]), ARGV[1])
return redis.call("HGET", KEYS[1], ARGV[1])
