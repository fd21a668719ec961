-- Stores a value, then forgets those that have expired, and the least recently used until all fit.
-- KEYS  1 values: hash, id -> value
--       2 expiry: sorted set of ids by the time when they expire, Unix milliseconds
--       3 uses: sorted set of ids by their last use, a number that counts up
--       4 count: the last number
--       5 bytes: the sum of the values' lengths
-- ARGV  1 id
--       2 value
--       3 time to live in milliseconds
--       4 most bytes of all values together
-- Returns nothing.
local function forget(id)
  redis.call("DECRBY", KEYS[5], redis.call("HSTRLEN", KEYS[1], id))
  redis.call("HDEL", KEYS[1], id)
  redis.call("ZREM", KEYS[2], id)
  redis.call("ZREM", KEYS[3], id)
end

local time = redis.call("TIME")
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
forget(ARGV[1])
redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
redis.call("ZADD", KEYS[2], nowMs + ARGV[3], ARGV[1])
redis.call("ZADD", KEYS[3], redis.call("INCR", KEYS[4]), ARGV[1])
redis.call("INCRBY", KEYS[5], #ARGV[2])

-- some at a time: no call is to hold up the others
for _, id in ipairs(redis.call("ZRANGE", KEYS[2], "-inf", nowMs, "BYSCORE", "LIMIT", 0, 1000)) do
  forget(id)
end
local bytes = tonumber(redis.call("GET", KEYS[5]))
while bytes > tonumber(ARGV[4]) do
  local oldest = redis.call("ZRANGE", KEYS[3], 0, 0)[1]
  if not oldest then
    redis.call("SET", KEYS[5], 0)
    break
  end
  forget(oldest)
  bytes = tonumber(redis.call("GET", KEYS[5]))
end
